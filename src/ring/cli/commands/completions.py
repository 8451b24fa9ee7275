"""`ring completions`: the completion script of a shell, written from the command tree."""

from __future__ import annotations

from importlib import import_module

import click

from ring.cli.session import current
from ring.cli.tree import RingCommand

_SHELLS = ("bash", "zsh", "fish")


@click.command("completions", cls=RingCommand)
@click.argument("shell", type=click.Choice(_SHELLS), metavar="bash|zsh|fish")
@click.pass_context
def completions(context: click.Context, shell: str) -> None:
    """Print the completion script of a shell.

    bash: `source <(ring completions bash)` in ~/.bashrc. zsh: write it to a file `_ring` in a
    directory of fpath. fish: write it to ~/.config/fish/completions/ring.fish. Names of
    deployments, namespaces, secrets and configs are asked of the server of the context.
    """
    from ring.cli.completions.tree import places

    root = context.find_root().command
    assert isinstance(root, click.Group)  # noqa: S101 - the tree's top is a group
    script = import_module(f"ring.cli.completions.{shell}").script
    current().out.line(script(places(root)).rstrip("\n"))
