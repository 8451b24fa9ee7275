"""`ring deployment restart|scale|stop|start|rollback`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from ring.cli.commands.deployment.acting import act, new_row, reason_option
from ring.cli.commands.deployment.waiting import wait_options
from ring.cli.options import WholeNumber, output_option
from ring.cli.outcomes import is_unchanged, scaled
from ring.cli.text import one_line
from ring.cli.tree import RingCommand

if TYPE_CHECKING:
    from ring.cli.client import Response
    from ring.cli.rows import Row


@click.command("restart", cls=RingCommand)
@click.argument("refs", nargs=-1, required=True, metavar="ID...")
@reason_option
@wait_options
@output_option
def restart(refs: tuple[str, ...], reason: str | None, timeout: str, *, waits: bool) -> int:
    """Run deployments anew, by a rolling update where they roll."""
    return act(refs, "restart", _restarted, reason=reason, timeout=timeout if waits else None)


@click.command("scale", cls=RingCommand)
@click.argument("deployment", metavar="ID")
@click.argument("replicas", type=WholeNumber(min=0), metavar="REPLICAS")
@reason_option
@wait_options
@output_option
def scale(deployment: str, replicas: int, reason: str | None, timeout: str, *, waits: bool) -> int:
    """Run a deployment with another number of instances."""
    return act(
        (deployment,),
        "scale",
        _scaled,
        reason=reason,
        body={"replicas": replicas},
        timeout=timeout if waits else None,
    )


@click.command("stop", cls=RingCommand)
@click.argument("refs", nargs=-1, required=True, metavar="ID...")
@reason_option
@output_option
def stop(refs: tuple[str, ...], reason: str | None) -> int:
    """Stop the instances of deployments; what is declared stays."""
    return act(refs, "stop", _stopped, reason=reason)


@click.command("start", cls=RingCommand)
@click.argument("refs", nargs=-1, required=True, metavar="ID...")
@reason_option
@wait_options
@output_option
def start(refs: tuple[str, ...], reason: str | None, timeout: str, *, waits: bool) -> int:
    """Run stopped deployments again."""
    return act(refs, "start", _started, reason=reason, timeout=timeout if waits else None)


@click.command("rollback", cls=RingCommand)
@click.argument("deployment", metavar="ID")
@click.option(
    "--to",
    "revision",
    type=WholeNumber(min=1),
    metavar="REVISION",
    help="To this one of `history` (default: the last other one that was ready).",
)
@reason_option
@wait_options
@output_option
def rollback(
    deployment: str, revision: int | None, reason: str | None, timeout: str, *, waits: bool
) -> int:
    """Go back to an earlier revision of a deployment."""
    return act(
        (deployment,),
        "rollback",
        _rolled_back,
        reason=reason,
        body={} if revision is None else {"to": revision},
        timeout=timeout if waits else None,
    )


def _restarted(_: Response, row: Row) -> str:
    return f"restarting: {new_row(row)}"


def _scaled(response: Response, row: Row) -> str:
    if counts := scaled(response):
        return f"scaled from {counts[0]} to {counts[1]}"
    if response.status == 201:
        return f"scaling to {one_line(row.get('replicas'))}: {new_row(row)}"
    if is_unchanged(response):
        return "unchanged"
    return f"scaled to {one_line(row.get('replicas'))}"


def _stopped(response: Response, _: Row) -> str:
    return "unchanged: it is stopped" if is_unchanged(response) else "stopped"


def _started(response: Response, _: Row) -> str:
    return "unchanged: it is not stopped" if is_unchanged(response) else "started"


def _rolled_back(response: Response, row: Row) -> str:
    if response.status == 201:
        return f"rolling back: {new_row(row)}"
    return f"rolled back: {one_line(row.get('id'))} goes on"
