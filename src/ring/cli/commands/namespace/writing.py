"""`ring namespace create` and `ring namespace delete`."""

from __future__ import annotations

import click

from ring.cli.problems import write_failed
from ring.cli.rows import one_object
from ring.cli.session import current
from ring.cli.terminal import GREEN
from ring.cli.text import one_line
from ring.cli.tree import RingCommand


@click.command("create", cls=RingCommand)
@click.argument("name")
def create(name: str) -> None:
    """Create a namespace."""
    session = current()
    response = session.post("namespaces", body={"name": name})
    if not response.ok:
        raise write_failed(f"Failed to create namespace '{name}'", response)
    made = one_object(session.client.decode(response))
    session.print(f"Namespace '{name}' created (id: {one_line(made.get('id'))})", GREEN)


@click.command("delete", cls=RingCommand)
@click.argument("name")
def delete(name: str) -> None:
    """Delete a namespace that holds nothing any more."""
    session = current()
    response = session.delete("namespaces", name)
    if not response.ok:
        raise write_failed(f"Unable to delete namespace '{name}'", response)
    session.print(f"Namespace '{name}' deleted", GREEN)
