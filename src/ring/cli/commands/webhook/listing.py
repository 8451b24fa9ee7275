"""`ring webhook list`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from ring.cli.colours import CREDENTIAL_STATUS
from ring.cli.options import output_option
from ring.cli.session import current
from ring.cli.text import joined, utc
from ring.cli.tree import RingCommand
from ring.cli.views import Table, global_list, show_list

if TYPE_CHECKING:
    from ring.cli.rows import Row


def _cells(row: Row) -> tuple[object, ...]:
    return (
        row.get("id"),
        row.get("url"),
        joined(row.get("events"), "all"),
        "revoked" if row.get("revoked_at") else "active",
        utc(row.get("created_at")),
    )


_TABLE = Table(
    headers=("Id", "URL", "Events", "Status", "Created (UTC)"),
    cells=_cells,
    colours={"Status": CREDENTIAL_STATUS},
)


@click.command("list", cls=RingCommand)
@output_option
def list_webhooks() -> None:
    """List the webhooks, newest first.

    Those that were deleted are among them, as revoked.
    """
    session = current()
    show_list(session, global_list(session, "webhooks"), _TABLE)
