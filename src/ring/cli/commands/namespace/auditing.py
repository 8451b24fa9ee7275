"""`ring namespace audit`: who did what in a namespace."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from ring.cli.options import WholeNumber, output_option
from ring.cli.session import current
from ring.cli.text import utc
from ring.cli.tree import RingCommand
from ring.cli.views import Table, one_item, show_list

if TYPE_CHECKING:
    from ring.cli.rows import Row


def _cells(row: Row) -> tuple[object, ...]:
    return (
        utc(row.get("timestamp")),
        row.get("user_id") or "-",
        row.get("action"),
        row.get("target_type"),
        row.get("target_name"),
    )


@click.command("audit", cls=RingCommand)
@click.argument("namespace")
@click.option("--limit", type=WholeNumber(min=1), metavar="N", help="At most so many.")
@output_option
def audit(namespace: str, limit: int | None) -> None:
    """Show who did what in a namespace, newest first."""
    session = current()
    query = [] if limit is None else [("limit", str(limit))]
    segments = ("namespaces", namespace, "audit")
    response = one_item(session, "namespace", namespace, *segments, query=query)
    table = Table(
        headers=("Timestamp", "User", "Action", "Type", "Target"),
        cells=_cells,
        empty=f"No audit entries for namespace '{namespace}'",
    )
    show_list(session, response, table)
