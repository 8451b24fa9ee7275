"""`ring deployment delete`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from ring.cli.failures import CommandFailed, Unreachable, item_failed
from ring.cli.problems import trouble
from ring.cli.refs import deployment_id
from ring.cli.session import Session, current
from ring.cli.terminal import GREEN
from ring.cli.tree import RingCommand

if TYPE_CHECKING:
    from ring.cli.client import Client


@click.command("delete", cls=RingCommand)
@click.argument("ids", nargs=-1, required=True, metavar="ID...")
def delete(ids: tuple[str, ...]) -> int:
    """Delete deployments, each by id or as NAMESPACE/NAME."""
    session = current()
    client = session.client
    codes = []
    unreachable = None
    for typed in ids:
        try:
            _delete(session, client, typed)
        except Unreachable as failure:
            codes.append(failure.code)
            if failure.message != unreachable:
                session.fail(failure)
            unreachable = failure.message
        except CommandFailed as failure:
            codes.append(session.fail(failure))
    return next(iter(codes), 0)


def _delete(session: Session, client: Client, typed: str) -> None:
    found = deployment_id(session, typed)
    response = session.noted(client.delete("deployments", found))
    if not response.ok:
        raise item_failed("deployment", typed, response.status, trouble(response))
    session.print(f"Deployment {found} deleted", GREEN)
