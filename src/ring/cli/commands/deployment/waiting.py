"""`ring deployment wait`, and `--wait` of the commands that change a deployment."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import click

from ring.cli.attempts import attempt_all
from ring.cli.failures import CommandFailed
from ring.cli.refs import deployment_id, rows_of_name
from ring.cli.rows import one_object
from ring.cli.session import Session, current
from ring.cli.tree import RingCommand
from ring.cli.views import one_item

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from ring.cli.waiting import Subject

_Command = TypeVar("_Command", bound="Callable[..., object]")

GOALS = ("ready", "completed", "deleted")
TIMEOUT = "15m"
"""Longer than a rollout may stay without progress: its failure is seen, not the end of the wait."""


def timeout_option(command: _Command) -> _Command:
    """`--timeout D`."""
    return click.option(
        "--timeout",
        default=TIMEOUT,
        metavar="DURATION",
        help=f"How long to wait, such as 90s or 5m (default: {TIMEOUT}).",
    )(command)


def wait_options(command: _Command) -> _Command:
    """`--wait` and `--timeout D`."""
    waits = click.option(
        "--wait", "waits", is_flag=True, help="Wait until it is ready, or has failed."
    )
    return waits(timeout_option(command))


def patience_s(text: str) -> float:
    """Seconds of a duration. Raises UsageError for what is none."""
    from ring.core.model.quantities import QuantityError, parse_duration

    try:
        return parse_duration(text) / 1000
    except QuantityError as error:
        raise click.UsageError(f"Invalid value for '--timeout': {error.message}.") from error


@click.command("wait", cls=RingCommand)
@click.argument("refs", nargs=-1, required=True, metavar="ID...")
@click.option(
    "--for",
    "goal",
    type=click.Choice(GOALS),
    default="ready",
    help="What is waited for (default: ready).",
)
@timeout_option
def wait(refs: tuple[str, ...], goal: str, timeout: str) -> int:
    """Wait until deployments are ready, completed or deleted.

    Exit code 0 when all are; 1 when one has failed; 124 when time is up.
    """
    from ring.cli import waiting

    session = current()
    seconds = patience_s(timeout)
    found: list[Subject] = []
    find = _every_row if goal == "deleted" else _one_row
    codes = attempt_all(session, refs, lambda ref: found.extend(find(session, ref, goal)))
    waited = waiting.wait(session, found, waiting.Goal(goal), seconds) if found else 0
    return next(iter(codes), waited)


def _one_row(session: Session, ref: str, goal: str) -> Iterable[Subject]:
    from ring.cli.waiting import Subject

    found = deployment_id(session, ref)
    row = one_object(
        session.client.decode(one_item(session, "deployment", ref, "deployments", found))
    )
    if goal == "completed" and row.get("kind") == "worker":
        raise CommandFailed(f"error: deployment '{ref}' is a worker: only a job completes")
    return [Subject.of(row)]


def _every_row(session: Session, ref: str, _: str) -> Iterable[Subject]:
    """Also those that are deleted already, and are there until their instances are gone."""
    from ring.cli.waiting import Subject

    namespace, slash, name = ref.partition("/")
    if slash:
        rows = rows_of_name(session, ref, namespace, name)
        if not rows:
            session.print(f"Deployment '{ref}' deleted")
        return map(Subject.of, rows)
    return [Subject.by_id(deployment_id(session, ref))]
