"""`ring deployment why`: what a deployment waits for, in the words of who decides on it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from ring.cli.colours import DEPLOYMENT_STATUS, EVENT_LEVEL, STATE
from ring.cli.following import HEADERS as EVENT_HEADERS
from ring.cli.following import cells as event_cells
from ring.cli.options import output_option
from ring.cli.refs import deployment_id
from ring.cli.rows import Row, members, objects, one_object
from ring.cli.session import Session, current
from ring.cli.tables import grid
from ring.cli.text import one_line, utc
from ring.cli.tree import RingCommand
from ring.cli.views import one_item

if TYPE_CHECKING:
    from collections.abc import Sequence

EVENTS = 3
HEADERS = ("ID", "Revision", "Role", "Status", "Live", "Ready", "Target", "Reason")


@click.command("why", cls=RingCommand)
@click.argument("deployment", metavar="ID")
@output_option
def why(deployment: str) -> None:
    """Say why a deployment is as it is, and what it waits for."""
    session = current()
    found = deployment_id(session, deployment)
    response = one_item(session, "deployment", deployment, "deployments", found, "why")
    if session.json:
        session.print_json(response)
        return
    answer = one_object(session.client.decode(response))
    _show(session, answer)
    events = _troubles(session, found)
    if events:
        session.print("\nEVENTS")
        rows = map(event_cells, events)
        session.out.line(grid(EVENT_HEADERS, rows, session.out, colours={"Level": EVENT_LEVEL}))


def _show(session: Session, answer: Row) -> None:
    for key, value, colours in (
        ("Status", answer.get("status"), DEPLOYMENT_STATUS),
        ("State", answer.get("state"), STATE),
        ("Summary", answer.get("summary"), {}),
        ("Decided at", utc(answer.get("decided_at")), {}),
    ):
        text = one_line(value)
        session.out.line(f"{key:<10}: {session.out.paint(text, colours.get(text))}".rstrip())
    rows = map(_cells, members(answer.get("rows")))
    session.print("")
    session.out.line(grid(HEADERS, rows, session.out, colours={"Status": DEPLOYMENT_STATUS}))


def _cells(row: Row) -> tuple[object, ...]:
    return tuple(row.get(header.lower()) for header in HEADERS)


def _troubles(session: Session, found: str) -> Sequence[Row]:
    """The last warnings and errors, oldest first; none where they cannot be had."""
    entries: list[Row] = []
    for level in ("warning", "error"):
        query = [("level", level), ("limit", str(EVENTS))]
        response = session.get("deployments", found, "events", query=query)
        if response.ok:
            entries += objects(session.client.decode(response))
    return sorted(entries, key=lambda entry: str(entry.get("timestamp")))[-EVENTS:]
