"""One deployment of a manifest: checked by the client, sent, and what became of it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from ring.cli.applying.sending import noted, unanswered
from ring.cli.failures import GENERAL, CommandFailed, Unreachable
from ring.cli.outcomes import scaled
from ring.cli.problems import write_failed
from ring.cli.rows import Row, mapping, parse
from ring.cli.terminal import GREEN
from ring.cli.text import one_line

if TYPE_CHECKING:
    from ring.cli.applying.tally import Tally
    from ring.cli.client import Response
    from ring.cli.session import Session
    from ring.manifest import Entry

Query = tuple[tuple[str, str], ...]

_HIDDEN = "***"


def apply_deployment(
    session: Session, entry: Entry, query: Query, tally: Tally, *, verbose: bool
) -> None:
    """Send it and say what became of it; success and failure go to the tally."""
    session.print(f"Processing deployment '{one_line(entry.key)}'")
    if verbose:
        show_configuration(session, entry)
    if not is_sendable(session, entry, tally):
        return
    warn_of_ignored(session, entry)
    try:
        tally.taken.append(_send(session, entry, query))
    except Unreachable as failure:
        tally.failed += 1
        unanswered(session, f"Failed to deploy '{one_line(entry.key)}'", failure, tally)
    except CommandFailed as failure:
        tally.failed += 1
        tally.error(session.fail(failure))
    else:
        tally.successful += 1


def is_sendable(session: Session, entry: Entry, tally: Tally) -> bool:
    """Whether the client itself has nothing against an entry; says what it has."""
    if entry.problem is None:
        return True
    reason = f"Validation error: {one_line(entry.problem)}"
    session.warn(f"Skipping '{one_line(entry.key)}': {reason}")
    tally.failed += 1
    tally.error(GENERAL, reason)
    return False


def warn_of_ignored(session: Session, entry: Entry) -> None:
    """Say which fields the runtime does not honour."""
    if entry.ignored:
        runtime, fields = entry.body["runtime"], ", ".join(entry.ignored)
        session.warn(f"'{entry.name}': fields ignored by the {runtime} runtime: {fields}")


def show_configuration(session: Session, entry: Entry) -> None:
    """The body of a deployment for reading, its registry password hidden."""
    body = entry.body
    config = mapping(body.get("config"))
    if "password" in config:
        body = {**body, "config": {**config, "password": _HIDDEN}}
    session.print("Configuration:")
    session.print(json.dumps(body, ensure_ascii=False, indent=2))


def _send(session: Session, entry: Entry, query: Query) -> Row:
    name = one_line(entry.name)
    response = noted(
        session, name, session.client.post("deployments", body=entry.body, query=query)
    )
    if not response.ok:
        raise write_failed(f"Unable to apply deployment '{name}'", response)
    row = _row(response)
    if not row.get("id"):
        raise _no_deployment(session, name)
    session.print(f"Deployment '{name}' {_change(response)}", GREEN)
    if response.status == 201:
        _show_row(session, row)
    return {"namespace": entry.namespace, "name": entry.name, **row}


def _change(response: Response) -> str:
    """What became of a deployment that was taken."""
    if response.status != 200:
        return "created"
    counts = scaled(response)
    return f"scaled from {counts[0]} to {counts[1]}" if counts else "unchanged"


def _row(response: Response) -> Row:
    """The deployment of an answer; empty when it holds something else."""
    try:
        return mapping(parse(response.body))
    except ValueError:
        return {}


def _no_deployment(session: Session, name: str) -> CommandFailed:
    return CommandFailed(
        f"Unable to apply deployment '{name}': the answer of {session.client.base} "
        "is not a deployment: is this a Ring server?"
    )


def _show_row(session: Session, row: Row) -> None:
    session.print(f"  id: {one_line(row['id'])}")
    if row.get("parent_id"):
        session.print(f"  rolling update of {one_line(row['parent_id'])}")
