"""`ring deployment health-checks`: what the probes of a deployment found."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from ring.cli.colours import CHECK_STATUS
from ring.cli.options import WholeNumber, output_option
from ring.cli.refs import deployment_id
from ring.cli.session import current
from ring.cli.text import utc
from ring.cli.tree import RingCommand
from ring.cli.views import Table, one_item, show_list

if TYPE_CHECKING:
    from ring.cli.rows import Row


def _cells(row: Row) -> tuple[object, ...]:
    return (
        row.get("check_type"),
        row.get("status"),
        utc(row.get("started_at")),
        utc(row.get("finished_at")),
        row.get("message"),
    )


@click.command("health-checks", cls=RingCommand)
@click.argument("deployment", metavar="ID")
@click.option("--latest", is_flag=True, help="Only the most recent result of each type.")
@click.option("--limit", type=WholeNumber(min=1), metavar="N", help="At most so many.")
@output_option
def health_checks(deployment: str, limit: int | None, *, latest: bool) -> None:
    """Show the results of a deployment's health checks.

    Newest first.
    """
    session = current()
    query = [("latest", "true")] if latest else []
    if limit is not None:
        query.append(("limit", str(limit)))
    found = deployment_id(session, deployment)
    segments = ("deployments", found, "health-checks")
    response = one_item(session, "deployment", deployment, *segments, query=query)
    table = Table(
        headers=("Type", "Status", "Started", "Finished", "Message"),
        cells=_cells,
        colours={"Status": CHECK_STATUS},
        empty=f"No health check results for deployment {found}",
    )
    show_list(session, response, table)
