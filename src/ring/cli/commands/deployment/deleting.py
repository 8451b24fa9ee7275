"""`ring deployment delete`."""

from __future__ import annotations

import click

from ring.cli.attempts import attempt_all
from ring.cli.refs import deployment_id
from ring.cli.session import Session, current
from ring.cli.terminal import GREEN
from ring.cli.tree import RingCommand
from ring.cli.views import delete_item


@click.command("delete", cls=RingCommand)
@click.argument("ids", nargs=-1, required=True, metavar="ID...")
def delete(ids: tuple[str, ...]) -> int:
    """Delete deployments, each by id or as NAMESPACE/NAME."""
    session = current()
    codes = attempt_all(session, ids, lambda typed: _delete(session, typed))
    return next(iter(codes), 0)


def _delete(session: Session, typed: str) -> None:
    found = deployment_id(session, typed)
    delete_item(session, "deployment", typed, "deployments", found)
    session.print(f"Deployment {found} deleted", GREEN)
