"""`ring deployment history`: the revisions that are kept, and what each of them changed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from ring.cli import changes
from ring.cli.options import output_option
from ring.cli.refs import deployment_id
from ring.cli.rows import objects
from ring.cli.session import Session, current
from ring.cli.tables import grid
from ring.cli.text import one_line, utc
from ring.cli.tree import RingCommand
from ring.cli.views import one_item

if TYPE_CHECKING:
    from ring.cli.rows import Row

HEADERS = (
    "Revision",
    "Created at (UTC)",
    "Author",
    "Cause",
    "Ready at (UTC)",
    "Image",
    "Replicas",
    "Changes",
)


@click.command("history", cls=RingCommand)
@click.argument("deployment", metavar="ID")
@click.option(
    "-v", "--diff", "shows_values", is_flag=True, help="Also show the values, field by field."
)
@output_option
def history(deployment: str, *, shows_values: bool) -> None:
    """Show the revisions of a deployment.

    Newest first; the current one is marked by a star.
    """
    session = current()
    found = deployment_id(session, deployment)
    response = one_item(session, "deployment", deployment, "deployments", found, "revisions")
    if session.json:
        session.print_json(response)
        return
    rows = objects(session.client.decode(response))
    if not rows:
        session.print(f"No revisions of deployment {found} are kept")
        return
    session.out.line(grid(HEADERS, map(_cells, rows), session.out))
    for row in rows if shows_values else ():
        _show_values(session, row)


def _cells(row: Row) -> tuple[object, ...]:
    return (
        _number(row),
        utc(row.get("created_at")),
        row.get("author"),
        row.get("cause"),
        utc(row.get("ready_at")),
        row.get("image"),
        row.get("replicas"),
        changes.paths(row.get("changes")),
    )


def _number(row: Row) -> str:
    star = "*" if row.get("current") is True else ""
    return f"{one_line(row.get('revision'))}{star}"


def _show_values(session: Session, row: Row) -> None:
    session.print(f"\nRevision {_number(row)}")
    if row.get("changes") is None:
        is_first = row.get("revision") == 1
        session.print("  the first" if is_first else "  the one before it is not kept")
        return
    for line in changes.before_and_after(row.get("changes"), session.out):
        session.out.line(f"  {line}")
