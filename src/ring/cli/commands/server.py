"""`ring server`: the door to the daemon."""

from __future__ import annotations

import click

from ring.cli.session import current
from ring.cli.tree import RingCommand, RingGroup

server = RingGroup(
    "server",
    help="Run the Ring server.",
    lazy={"start": "ring.cli.commands.server:start"},
    default="start",
)


@click.command("start", cls=RingCommand)
def start() -> int:
    """Start the server in the foreground."""
    from ring.settings import load_server_settings

    session = current()
    settings = load_server_settings(session.config_path, session.context_name, session.environ)

    from ring.server import run  # a broken config file is told before the server's weight is loaded

    return run(settings)
