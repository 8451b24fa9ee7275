"""`ring namespace audit`: who did what in a namespace."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from ring.cli.failures import item_failed
from ring.cli.options import WholeNumber, output_option
from ring.cli.problems import trouble
from ring.cli.session import current
from ring.cli.text import utc
from ring.cli.tree import RingCommand
from ring.cli.views import Table, show_list

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
    response = session.get("namespaces", namespace, "audit", query=query)
    if not response.ok:
        raise item_failed("namespace", namespace, response.status, trouble(response))
    table = Table(
        headers=("Timestamp", "User", "Action", "Type", "Target"),
        cells=_cells,
        empty=f"No audit entries for namespace '{namespace}'",
    )
    show_list(session, response, table)
