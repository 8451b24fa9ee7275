"""The program: its tree of commands, and how every way of ending becomes an exit code."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from ring import __version__
from ring.cli.failures import GENERAL, INTERRUPTED, USAGE, CommandFailed
from ring.cli.session import Session, open_session
from ring.cli.terminal import RED
from ring.cli.text import printable
from ring.cli.tree import RingGroup
from ring.core.errors import RingError
from ring.settings import process_environment

if TYPE_CHECKING:
    from collections.abc import Sequence


def _show_version(context: click.Context, _: click.Parameter, value: bool) -> None:
    if value:
        context.ensure_object(Session).print(f"ring {__version__}")
        context.exit()


def _show_help(context: click.Context) -> None:
    if context.invoked_subcommand is None:
        context.ensure_object(Session).print(context.get_help())


ring = RingGroup(
    "ring",
    help="Run declared workloads on this machine, and keep them running.",
    short_options=True,
    invoke_without_command=True,
    callback=click.pass_context(_show_help),
    lazy={
        "apply": "ring.cli.commands.apply:apply",
        "diff": "ring.cli.commands.diff:diff",
        "schema": "ring.cli.commands.manifest:schema",
        "explain": "ring.cli.commands.manifest:explain",
        "deployment": "ring.cli.commands.deployment:deployment",
        "top": "ring.cli.commands.top:top",
        "namespace": "ring.cli.commands.namespace:namespace",
        "secret": "ring.cli.commands.secret:secret",
        "config": "ring.cli.commands.config:config",
        "volume": "ring.cli.commands.volume:volume",
        "image": "ring.cli.commands.image:image",
        "user": "ring.cli.commands.user:user",
        "token": "ring.cli.commands.token:token",
        "webhook": "ring.cli.commands.webhook:webhook",
        "node": "ring.cli.commands.node:node",
        "login": "ring.cli.commands.login:login",
        "logout": "ring.cli.commands.login:logout",
        "context": "ring.cli.commands.context:show_context",
        "init": "ring.cli.commands.init:init",
        "doctor": "ring.cli.commands.doctor:doctor",
        "completions": "ring.cli.commands.completions:completions",
        "server": "ring.cli.commands.server:server",
        "help": "ring.cli.commands.help:show_help",
    },
    params=[
        click.Option(
            ["--version"],
            is_flag=True,
            is_eager=True,
            expose_value=False,
            callback=_show_version,
            help="Print the version and leave.",
        )
    ],
)


def run(arguments: Sequence[str], session: Session | None = None) -> int:
    """Run one command line; the exit code. No error escapes, even if stderr takes nothing."""
    if session is None:
        session = open_session(process_environment())
    try:
        return _invoke(arguments, session)
    except RingError as error:
        return _end(session, error)


def _invoke(arguments: Sequence[str], session: Session) -> int:
    try:
        with ring.make_context("ring", list(arguments), obj=session) as context:
            code = ring.invoke(context)
        return code if isinstance(code, int) else 0
    except click.exceptions.Exit as ending:
        return ending.exit_code
    except (KeyboardInterrupt, click.Abort):
        return INTERRUPTED
    except click.ClickException as error:
        return _misused(session, error)
    except RingError as error:
        return _end(session, error)
    except Exception as error:  # noqa: BLE001 - the last line of defence: people never see a traceback
        _trace(session)
        return _end(session, RingError(f"internal error: {type(error).__name__}: {error}"))


def _end(session: Session, error: RingError) -> int:
    """Show an error; when even that cannot be written, the code says enough."""
    if isinstance(error, CommandFailed):
        text, code = error.message, error.code
    else:
        text, code = f"error: {error.message}", GENERAL
    try:
        session.err.line(printable(text), RED)
    except RingError:
        return code
    return code


def _misused(session: Session, error: click.ClickException) -> int:
    context = error.ctx if isinstance(error, click.UsageError) else None
    session.err.line(f"error: {printable(error.format_message())}", RED)
    if context is not None:
        session.err.line(context.get_usage())
    return USAGE


def _trace(session: Session) -> None:
    if session.environ.get("RING_LOG", "").strip().lower() == "debug":
        import traceback

        session.err.line(traceback.format_exc().rstrip())
