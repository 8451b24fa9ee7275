"""`ring config list`."""

from __future__ import annotations

import click

from ring.cli.options import namespaces_option, output_option
from ring.cli.rows import Row, parse
from ring.cli.session import current
from ring.cli.text import utc
from ring.cli.tree import RingCommand
from ring.cli.views import Table, namespaced_list


def entries(data: object) -> Row | None:
    """The entries of a config's data; None when it is not the text of a JSON object."""
    try:
        value = parse(data) if isinstance(data, str) else None
    except ValueError:
        return None
    return value if isinstance(value, dict) else None


def _cells(row: Row) -> tuple[object, ...]:
    found = entries(row.get("data"))
    return (
        row.get("id"),
        row.get("name"),
        utc(row.get("created_at")),
        utc(row.get("updated_at")),
        row.get("namespace"),
        "-" if found is None else len(found),
    )


_TABLE = Table(
    headers=("Id", "Name", "Created at (UTC)", "Updated at (UTC)", "Namespace", "Data"),
    cells=_cells,
)


@click.command("list", cls=RingCommand)
@namespaces_option
@output_option
def list_configs(namespaces: tuple[str, ...]) -> None:
    """List the configs, with the number of their entries."""
    namespaced_list(current(), "configs", namespaces, _TABLE)
