"""`ring namespace list`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from ring.cli.options import output_option
from ring.cli.session import current
from ring.cli.text import utc
from ring.cli.tree import RingCommand
from ring.cli.views import Table, global_list, show_list

if TYPE_CHECKING:
    from ring.cli.rows import Row


def _cells(row: Row) -> tuple[object, ...]:
    return (row.get("id"), row.get("name"), utc(row.get("created_at")))


_TABLE = Table(headers=("Id", "Name", "Created at (UTC)"), cells=_cells)


@click.command("list", cls=RingCommand)
@output_option
def list_namespaces() -> None:
    """List the namespaces."""
    session = current()
    show_list(session, global_list(session, "namespaces"), _TABLE)
