"""What `ring deployment restart|scale|stop|start|rollback` have in common: a write to one
deployment, a line about what became of it, and the wait for it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import click

from ring.cli.attempts import attempt_all
from ring.cli.failures import item_failed
from ring.cli.problems import write_failed
from ring.cli.refs import deployment_id
from ring.cli.rows import Row, one_object
from ring.cli.session import Session, current
from ring.cli.terminal import GREEN
from ring.cli.text import one_line

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ring.cli.client import Response

_Command = TypeVar("_Command", bound="Callable[..., object]")


def reason_option(command: _Command) -> _Command:
    """`--reason TEXT`, which the deployment's events show."""
    return click.option(
        "--reason", metavar="TEXT", help="Why; shown in the events of the deployment."
    )(command)


def act(
    refs: tuple[str, ...],
    verb: str,
    tell: Callable[[Response, Row], str],
    *,
    reason: str | None,
    body: Mapping[str, object] | None = None,
    timeout: str | None = None,
) -> int:
    """Send the verb for each and say what became of it, in `tell`'s words after its name.

    With a timeout the deployments are waited for. The exit code is that of the first failure.
    """
    from ring.cli.commands.deployment.waiting import patience_s

    session = current()
    seconds = None if timeout is None else patience_s(timeout)
    sent = {**(body or {}), **({} if reason is None else {"reason": reason})}
    rows: list[Row] = []
    codes = attempt_all(
        session, refs, lambda ref: rows.append(_send(session, ref, verb, sent, tell))
    )
    waited = 0
    if seconds is not None:
        from ring.cli import waiting

        subjects = [waiting.Subject.of(row) for row in rows]
        waited = waiting.wait(session, subjects, waiting.Goal.READY, seconds)
    return next(iter(codes), waited)


def _send(
    session: Session,
    ref: str,
    verb: str,
    body: Mapping[str, object],
    tell: Callable[[Response, Row], str],
) -> Row:
    response = session.post("deployments", deployment_id(session, ref), verb, body=body)
    if response.status == 404 and verb != "rollback":
        raise item_failed("deployment", ref, 404)
    if not response.ok:
        raise write_failed(f"Unable to {_SPOKEN.get(verb, verb)} deployment '{ref}'", response)
    row = one_object(session.client.decode(response))
    if session.json:
        session.print_json(response)
    else:
        name = one_line(f"{row.get('namespace')}/{row.get('name')}")
        session.print(f"Deployment '{name}' {tell(response, row)}", GREEN)
    return row


_SPOKEN = {"rollback": "roll back"}


def new_row(row: Row) -> str:
    """How a new row takes the place of the old one."""
    found, parent = one_line(row.get("id")), row.get("parent_id")
    if parent:
        return f"rolling update of {one_line(parent)} as {found}"
    return f"replaced at once by {found}"
