"""`ring help`: the help of a command, asked for by name."""

from __future__ import annotations

import click

from ring.cli.session import current
from ring.cli.tree import RingCommand


@click.command("help", cls=RingCommand)
@click.argument("words", nargs=-1, metavar="[COMMAND]...")
@click.pass_context
def show_help(context: click.Context, words: tuple[str, ...]) -> None:
    """Show the help of a command."""
    at = context.find_root()
    for word in words:
        command = at.command
        found = command.get_command(at, word) if isinstance(command, click.Group) else None
        if found is None:
            raise click.UsageError(f"No such command '{word}'.", at)
        at = click.Context(found, info_name=word, parent=at, **found.context_settings)
    current().print(at.get_help())
