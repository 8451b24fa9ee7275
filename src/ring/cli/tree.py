"""The command tree: groups that load a command when it is called, global options anywhere."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, cast

import click

from ring.cli.session import Session

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

NOT_YET: Mapping[str, str] = {
    "--dashboard": "--dashboard is not available yet",
}
"""Options that are known by name, and refused with a word instead of a shrug."""

_HELP = ("-h", "--help")
_GLOBAL = ("--context", "--config")


def _keep_context(context: click.Context, _: click.Parameter, value: str | None) -> None:
    if value is not None:
        context.ensure_object(Session).context_name = value


def _keep_config(context: click.Context, _: click.Parameter, value: str | None) -> None:
    if value is not None:
        context.ensure_object(Session).config = value


def global_options(*, short: bool) -> list[click.Parameter]:
    """`--context` and `--config`; the short form is for the program itself alone."""
    names = ["-c", "--context"] if short else ["--context"]
    return [
        click.Option(
            names,
            metavar="NAME",
            expose_value=False,
            callback=_keep_context,
            hidden=not short,
            help="Client context to use.",
        ),
        click.Option(
            ["--config"],
            metavar="PATH",
            expose_value=False,
            callback=_keep_config,
            hidden=not short,
            help="Load this config file instead of the default one.",
        ),
    ]


def _show_help(context: click.Context, _: click.Parameter, value: bool) -> None:
    """As click's own, on a stream that may be full or have no reader."""
    if value and not context.resilient_parsing:
        context.ensure_object(Session).print(context.get_help())
        context.exit()


def _on_our_stream(option: click.Option | None) -> click.Option | None:
    if option is not None:
        option.callback = _show_help
    return option


class RingCommand(click.Command):
    """A command that takes the global options in their long form too."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:  # click's own signature
        super().__init__(*args, **kwargs)
        self.params += global_options(short=False)

    def get_help_option(self, ctx: click.Context) -> click.Option | None:
        return _on_our_stream(super().get_help_option(ctx))

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        try:
            return super().parse_args(ctx, args)
        except click.NoSuchOption as error:
            if error.option_name in NOT_YET:
                raise click.UsageError(NOT_YET[error.option_name], ctx) from error
            raise


class RingGroup(click.Group):
    """A group whose commands are `module:name`; without one it runs its default, flags and all."""

    def __init__(
        self,
        name: str | None = None,
        *,
        lazy: Mapping[str, str],
        default: str | None = None,
        short_options: bool = False,
        **kwargs: Any,  # click's own signature
    ) -> None:
        kwargs.setdefault("context_settings", {"help_option_names": list(_HELP)})
        super().__init__(name, no_args_is_help=False, **kwargs)
        self._lazy = lazy
        self.default = default
        self.params += global_options(short=short_options)

    def get_help_option(self, ctx: click.Context) -> click.Option | None:
        return _on_our_stream(super().get_help_option(ctx))

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self._lazy)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        place = self._lazy.get(cmd_name)
        if place is None:
            return None
        module, _, name = place.partition(":")
        return cast(click.Command, getattr(import_module(module), name))

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if self.default is not None and _names_no_command(args):
            args = [self.default, *args]
        return super().parse_args(ctx, args)


def _names_no_command(args: Sequence[str]) -> bool:
    """Whether what follows a group is only options of its default command."""
    position = 0
    while position < len(args) and args[position].partition("=")[0] in _GLOBAL:
        position += 1 if "=" in args[position] else 2
    if position >= len(args):
        return True
    word = args[position]
    return word.startswith("-") and word not in {*_HELP, "--"}
