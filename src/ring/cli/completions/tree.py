"""The command tree as completion sees it: for each place, what may come next."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

from ring.cli.options import Words
from ring.cli.tree import RingGroup

if TYPE_CHECKING:
    from collections.abc import Iterator

FILE = "file"
NAMES = "@"
"""Before a kind of objects whose names are asked for: `@deployments`."""
WORDS = "="
"""Before fixed words: `=table json`."""

_KINDS = {
    "deployment": "deployments",
    "namespace": "namespaces",
    "secret": "secrets",
    "config": "configs",
}
_BY_OPTION = {"--namespace": "namespaces", "--context": "contexts"}
_FILES = ("PATH", "FILE")


@dataclass(frozen=True, slots=True)
class Value:
    """What follows an option that takes a value."""

    names: tuple[str, ...]
    offer: str
    """`file`, `@kind`, `=words`, or empty: nothing can be offered."""


@dataclass(frozen=True, slots=True)
class Place:
    path: str
    """The words that lead here without `ring`: `deployment list`; empty at the top."""
    commands: tuple[str, ...]
    flags: tuple[str, ...]
    values: tuple[Value, ...]
    offer: str
    """What its arguments are, written as in Value."""
    most: int
    """How many arguments `offer` is for."""


def places(root: click.Group) -> tuple[Place, ...]:
    """Every command and group of the tree, from the top down. Loads all commands."""
    context = click.Context(root, info_name="ring", **root.context_settings)
    return tuple(_places(context, ""))


def _places(context: click.Context, path: str) -> Iterator[Place]:
    command = context.command
    params = command.get_params(context)
    below = []
    if isinstance(command, click.Group):
        below = _commands(context, command)
        default = command.default if isinstance(command, RingGroup) else None
        params = [*params, *(p for name, found in below if name == default for p in found.params)]
    options = [param for param in params if isinstance(param, click.Option)]
    offer, most = _arguments(command, path)
    yield Place(
        path=path,
        commands=tuple(name for name, _ in below),
        flags=tuple(dict.fromkeys(name for option in options for name in _names(option))),
        values=tuple(
            Value(tuple(_names(option)), _offer(option)) for option in options if _takes(option)
        ),
        offer=offer,
        most=most,
    )
    for name, found in below:
        inner = click.Context(found, info_name=name, parent=context, **found.context_settings)
        yield from _places(inner, f"{path} {name}".strip())


def _commands(context: click.Context, group: click.Group) -> list[tuple[str, click.Command]]:
    found = ((name, group.get_command(context, name)) for name in group.list_commands(context))
    return [(name, command) for name, command in found if command and not command.hidden]


def _names(option: click.Option) -> list[str]:
    return [*option.opts, *option.secondary_opts]


def _takes(option: click.Option) -> bool:
    return not option.is_flag and not option.count


def _offer(param: click.Parameter) -> str:
    if isinstance(param.type, click.Choice | Words):
        return WORDS + " ".join(map(str, param.type.choices))
    for option, kind in _BY_OPTION.items():
        if option in param.opts:
            return NAMES + kind
    if isinstance(param.type, click.Path | click.File) or param.metavar in _FILES:
        return FILE
    return ""


def _arguments(command: click.Command, path: str) -> tuple[str, int]:
    """What a command's arguments are, and how many; a name that is made up is not offered."""
    arguments = [param for param in command.params if isinstance(param, click.Argument)]
    if isinstance(command, click.Group) or not arguments:
        return "", 0
    offer = _offer(arguments[0])
    group, _, verb = path.partition(" ")
    if not offer and verb != "create" and group in _KINDS:
        offer = NAMES + _KINDS[group]
    return offer, 99 if any(argument.nargs < 0 for argument in arguments) else 1
