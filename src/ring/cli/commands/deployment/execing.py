"""`ring deployment exec`: a command inside a running instance."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from ring.cli.failures import CommandFailed, exit_code, item_failed
from ring.cli.problems import detail
from ring.cli.refs import deployment_id
from ring.cli.session import Session, current
from ring.cli.text import one_line
from ring.cli.tree import RingCommand
from ring.core.channels import INSTANCE_HEADER, RUNNING_HEADER, Kind

if TYPE_CHECKING:
    from ring.cli.client import Response


def _variables(_: click.Context, __: click.Parameter, given: tuple[str, ...]) -> dict[str, str]:
    found = {}
    for each in given:
        name, separator, value = each.partition("=")
        if not name or not separator:
            raise click.BadParameter(f"'{name}' is not KEY=VALUE")
        found[name] = value
    return found


@click.command(
    "exec",
    cls=RingCommand,
    context_settings={"help_option_names": ["-h", "--help"], "allow_interspersed_args": True},
)
@click.argument("deployment", metavar="ID")
@click.argument("command", nargs=-1, required=True, metavar="-- COMMAND [ARGUMENT]...")
@click.option(
    "-i",
    "--instance",
    metavar="TEXT",
    default="",
    help="In the instance whose name has this, or whose id begins with it "
    "(default: the newest that is ready).",
)
@click.option(
    "-t/-T",
    "--tty/--no-tty",
    "wants_terminal",
    default=None,
    help="With a terminal (default: if standard input and output are one).",
)
@click.option("--no-stdin", is_flag=True, help="Without standard input.")
@click.option("-u", "--user", metavar="USER[:GROUP]", default="", help="As this user.")
@click.option("-w", "--workdir", metavar="PATH", default="", help="In this directory.")
@click.option(
    "-e",
    "--env",
    "environment",
    metavar="KEY=VALUE",
    multiple=True,
    callback=_variables,
    help="With this variable; may be given again.",
)
def run_command(  # noqa: PLR0917 - one for each option
    deployment: str,
    command: tuple[str, ...],
    instance: str,
    wants_terminal: bool | None,
    no_stdin: bool,
    user: str,
    workdir: str,
    environment: dict[str, str],
) -> int:
    """Run a command in a running instance of a deployment.

    The command's exit code is this one's. Where this ends before it, whatever ends this, it ends
    with all that it has started.
    """
    from ring.cli.attached import STDIN, STDOUT, Attached
    from ring.cli.channel import opened
    from ring.cli.raw_terminal import size_of

    session = current()
    has_terminal = _has_terminal(wants_terminal, no_stdin=no_stdin)
    size = (size_of(STDOUT) or size_of(STDIN)) if has_terminal else None
    asked: dict[str, object] = {
        "argv": list(command),
        "tty": has_terminal,
        "stdin": not no_stdin and sys.stdin is not None,
        "user": user,
        "directory": workdir,
        "environment": environment,
        "rows": size.rows if size else None,
        "columns": size.columns if size else None,
    }
    found = deployment_id(session, deployment)
    query = [("instance", instance)] if instance else []
    with opened(session, "deployments", found, "exec", query=query) as (response, channel):
        if channel is None:
            raise refused(deployment, instance, response)
        if not instance:
            tell_choice(session, response)
        channel.tell(Kind.BEGIN, **asked)
        attached = Attached(channel, has_terminal=has_terminal, takes_input=bool(asked["stdin"]))
        return attached.run()


def _has_terminal(wanted: bool | None, *, no_stdin: bool) -> bool:
    if wanted is not None:
        return wanted
    streams = (sys.stdout,) if no_stdin else (sys.stdin, sys.stdout)
    return not no_stdin and all(one is not None and one.isatty() for one in streams)


def refused(deployment: str, instance: str, response: Response) -> CommandFailed:
    """The failure of a channel into a deployment's instances."""
    status, why = response.status, detail(response)
    if status == 409:
        hint = ""
        if instance == "t":
            hint = " (-i names an instance: input and a terminal are there by themselves)"
        return CommandFailed(f"error: {why}{hint}", exit_code(status))
    failed = item_failed("deployment", deployment, status, why)
    if status == 403 and why:
        return CommandFailed(f"{failed.message} ({why})", failed.code)
    return failed


def tell_choice(session: Session, response: Response) -> None:
    """On stderr, where there was a choice."""
    running = one_line(response.headers.get(RUNNING_HEADER.lower(), "1"))
    if running != "1":
        name = one_line(response.headers.get(INSTANCE_HEADER.lower()))
        session.err.line(f"instance {name}, the newest that is ready of {running}")
