"""Options that several commands share."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import click

from ring.cli.session import Session

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

_Command = TypeVar("_Command", bound="Callable[..., object]")


class WholeNumber(click.IntRange):
    """An integer between bounds, called one in messages and help."""

    name = "integer"


class Words(click.ParamType[str]):
    """Text, with words that completion offers. What is right is decided elsewhere."""

    name = "text"

    def __init__(self, words: Iterable[str]) -> None:
        self.choices = tuple(words)


def _keep_format(context: click.Context, _: click.Parameter, value: str) -> None:
    context.ensure_object(Session).json = value == "json"


def output_option(command: _Command) -> _Command:
    """`-o table|json`, kept in the session."""
    return click.option(
        "-o",
        "--output",
        type=click.Choice(["table", "json"]),
        default="table",
        expose_value=False,
        callback=_keep_format,
        help="Output format (default: table).",
    )(command)


def namespaces_option(command: _Command) -> _Command:
    """`-n NAME`, as often as wanted, as `namespaces`."""
    return click.option(
        "-n",
        "--namespace",
        "namespaces",
        multiple=True,
        metavar="NAME",
        help="Of this namespace; may be given again.",
    )(command)
