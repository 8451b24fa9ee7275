"""`ring deployment list`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from ring.cli.colours import DEPLOYMENT_STATUS
from ring.cli.failures import scoped_list_failed
from ring.cli.options import namespaces_option, output_option
from ring.cli.problems import trouble
from ring.cli.rows import members, objects
from ring.cli.session import current
from ring.cli.tables import grid
from ring.cli.text import utc
from ring.cli.tree import RingCommand
from ring.core.model.status import Status

if TYPE_CHECKING:
    from ring.cli.rows import Row

HEADERS = (
    "ID",
    "Created at (UTC)",
    "Updated at (UTC)",
    "Namespace",
    "Name",
    "Image",
    "Runtime",
    "Kind",
    "Replicas",
    "Status",
)


@click.command("list", cls=RingCommand)
@namespaces_option
@click.option(
    "-s",
    "--status",
    "statuses",
    type=click.Choice([status.value for status in Status]),
    multiple=True,
    metavar="STATUS",
    help="In this state, such as running or crash_loop_back_off; may be given again.",
)
@click.option("--type", "kind", type=click.Choice(["worker", "job"]), help="Of this kind.")
@click.option(
    "-l", "--label", "labels", multiple=True, metavar="KEY[=VALUE]", help="With all of these."
)
@output_option
def list_deployments(
    namespaces: tuple[str, ...],
    statuses: tuple[str, ...],
    kind: str | None,
    labels: tuple[str, ...],
) -> None:
    """List deployments, oldest first."""
    session = current()
    query = [
        *(("namespace[]", name) for name in namespaces),
        *(("status[]", status) for status in statuses),
        *(("label[]", label) for label in labels),
    ]
    if kind is not None:
        query.append(("kind", kind))
    response = session.get("deployments", query=query)
    if not response.ok:
        raise scoped_list_failed("deployments", namespaces, response.status, trouble(response))
    if session.json:
        session.print_json(response)
        return
    rows = [_cells(row) for row in objects(session.client.decode(response))]
    colours = {"Status": DEPLOYMENT_STATUS}
    session.out.line(grid(HEADERS, rows, session.out, right_first=True, colours=colours))


def replicas(row: Row) -> str:
    """Live instances over the target; a star marks a target that the autoscaler sets."""
    live = len(members(row.get("instances")))
    if row.get("stopped") is True:
        return f"{live}/0"
    if row.get("autoscale"):
        return f"{live}/{row.get('desired_replicas', row.get('replicas'))}*"
    return f"{live}/{row.get('replicas')}"


def _cells(row: Row) -> tuple[object, ...]:
    return (
        row.get("id"),
        utc(row.get("created_at")),
        utc(row.get("updated_at")),
        row.get("namespace"),
        row.get("name"),
        row.get("image"),
        row.get("runtime"),
        row.get("kind"),
        replicas(row),
        row.get("status"),
    )
