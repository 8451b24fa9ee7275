"""`ring config delete`."""

from __future__ import annotations

import click

from ring.cli.attempts import attempt_all
from ring.cli.session import Session, current
from ring.cli.terminal import GREEN
from ring.cli.tree import RingCommand
from ring.cli.views import delete_item


@click.command("delete", cls=RingCommand)
@click.argument("ids", nargs=-1, required=True, metavar="ID...")
def delete(ids: tuple[str, ...]) -> int:
    """Delete configs by id."""
    session = current()
    codes = attempt_all(session, ids, lambda config_id: _delete(session, config_id))
    return next(iter(codes), 0)


def _delete(session: Session, config_id: str) -> None:
    delete_item(session, "config", config_id, "configs", config_id)
    session.print(f"Config {config_id} deleted", GREEN)
