"""`ring context`: which servers the config file knows, and which one is talked to."""

from __future__ import annotations

import click

from ring.cli.failures import AUTH, CommandFailed
from ring.cli.options import output_option
from ring.cli.session import Session, current
from ring.cli.tables import grid
from ring.cli.text import compact, one_line
from ring.cli.tree import RingCommand
from ring.settings.contexts import every_context

_ARGUMENTS = ("configs", "current-context", "user-token")


@click.command("context", cls=RingCommand)
@click.argument(
    "what",
    type=click.Choice(_ARGUMENTS),
    default="configs",
    metavar="[configs|current-context|user-token]",
)
@output_option
def show_context(what: str) -> None:
    """List the contexts, or print the picked one's name or token."""
    session = current()
    if what == "configs":
        _configs(session)
    elif what == "current-context":
        _one(session, "name", session.context.name)
    else:
        token = session.token
        if token is None:
            raise CommandFailed(
                f"error: no token for context '{session.context.name}' — "
                "run `ring login` or set RING_TOKEN",
                AUTH,
            )
        _one(session, "token", token)


def _configs(session: Session) -> None:
    picked = session.context.name
    found = every_context(session.config_path, session.environ)
    if session.json:
        rows = [
            {"name": name, "host": context.base_url, "current": name == picked}
            for name, context in found.items()
        ]
        session.out.line(compact(rows))
        return
    cells = [
        (name, context.base_url, "*" if name == picked else "") for name, context in found.items()
    ]
    session.out.line(grid(("Name", "Host", "Current"), cells, session.out, right_first=True))


def _one(session: Session, key: str, value: str) -> None:
    session.out.line(compact({key: value}) if session.json else one_line(value))
