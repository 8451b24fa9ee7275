"""`ring namespace`: create and list."""

from __future__ import annotations

import click

from ring.cli.failures import global_list_failed
from ring.cli.options import output_option
from ring.cli.problems import trouble, write_failed
from ring.cli.rows import objects, one_object
from ring.cli.session import current
from ring.cli.tables import grid
from ring.cli.terminal import GREEN
from ring.cli.text import utc
from ring.cli.tree import RingCommand, RingGroup

namespace = RingGroup(
    "namespace",
    help="Namespaces: the first half of every deployment's name.",
    lazy={
        "list": "ring.cli.commands.namespace:list_namespaces",
        "create": "ring.cli.commands.namespace:create",
    },
    default="list",
)


@click.command("list", cls=RingCommand)
@output_option
def list_namespaces() -> None:
    """List the namespaces."""
    session = current()
    response = session.get("namespaces")
    if not response.ok:
        raise global_list_failed("namespaces", response.status, trouble(response))
    if session.json:
        session.print_json(response)
        return
    rows = [
        (item.get("id"), item.get("name"), utc(item.get("created_at")))
        for item in objects(session.client.decode(response))
    ]
    session.out.line(grid(("Id", "Name", "Created at (UTC)"), rows, session.out))


@click.command("create", cls=RingCommand)
@click.argument("name")
def create(name: str) -> None:
    """Create a namespace."""
    session = current()
    response = session.noted(session.client.post("namespaces", body={"name": name}))
    if not response.ok:
        raise write_failed(f"Failed to create namespace '{name}'", response)
    made = one_object(session.client.decode(response))
    session.print(f"Namespace '{name}' created (id: {made.get('id')})", GREEN)
