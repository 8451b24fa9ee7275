"""`ring deployment delete`."""

from __future__ import annotations

import click

from ring.cli.attempts import attempt_all
from ring.cli.failures import item_failed
from ring.cli.problems import trouble
from ring.cli.refs import deployment_id
from ring.cli.session import Session, current
from ring.cli.terminal import GREEN
from ring.cli.tree import RingCommand


@click.command("delete", cls=RingCommand)
@click.argument("ids", nargs=-1, required=True, metavar="ID...")
def delete(ids: tuple[str, ...]) -> int:
    """Delete deployments, each by id or as NAMESPACE/NAME."""
    session = current()
    codes = attempt_all(session, ids, lambda typed: _delete(session, typed))
    return next(iter(codes), 0)


def _delete(session: Session, typed: str) -> None:
    found = deployment_id(session, typed)
    response = session.delete("deployments", found)
    if not response.ok:
        raise item_failed("deployment", typed, response.status, trouble(response))
    session.print(f"Deployment {found} deleted", GREEN)
