"""`ring volume`: the registry of named volumes."""

from __future__ import annotations

import click

from ring.cli.failures import CommandFailed, item_failed
from ring.cli.options import WholeNumber, namespaces_option, output_option
from ring.cli.problems import references, trouble, write_failed
from ring.cli.rows import Row, mapping, one_object
from ring.cli.session import Session, current
from ring.cli.terminal import GREEN
from ring.cli.text import one_line, utc
from ring.cli.tree import RingCommand, RingGroup
from ring.cli.views import Table, namespaced_list, one_item, show_facts, show_object, show_section

volume = RingGroup(
    "volume",
    help="Volumes: data with a name, kept by the driver of a runtime.",
    lazy={
        "list": "ring.cli.commands.volume:list_volumes",
        "create": "ring.cli.commands.volume:create",
        "inspect": "ring.cli.commands.volume:inspect",
        "delete": "ring.cli.commands.volume:delete",
    },
    default="list",
)


def _cells(row: Row) -> tuple[object, ...]:
    return (
        row.get("id"),
        row.get("namespace"),
        row.get("name"),
        row.get("size"),
        row.get("backend_type"),
        utc(row.get("created_at")),
    )


_TABLE = Table(
    headers=("Id", "Namespace", "Name", "Size", "Backend", "Created at (UTC)"), cells=_cells
)


@click.command("list", cls=RingCommand)
@namespaces_option
@output_option
def list_volumes(namespaces: tuple[str, ...]) -> None:
    """List the registered volumes."""
    namespaced_list(current(), "volumes", namespaces, _TABLE)


def _labels(_: click.Context, __: click.Parameter, given: tuple[str, ...]) -> dict[str, str]:
    pairs = [text.partition("=") for text in given]
    for key, equals, _value in pairs:
        if not key or not equals:
            raise click.BadParameter("write a label as KEY=VALUE.")
    return {key: value for key, _equals, value in pairs}


@click.command("create", cls=RingCommand)
@click.argument("name")
@click.option("-n", "--namespace", required=True, metavar="NAME", help="Where it belongs.")
@click.option("--size", type=WholeNumber(min=0), metavar="BYTES", help="A hint, no quota.")
@click.option("--backend", type=click.Choice(["local", "directory"]), help="How it is kept.")
@click.option(
    "--label",
    "labels",
    multiple=True,
    metavar="KEY=VALUE",
    callback=_labels,
    help="A label; may be given again.",
)
def create(
    name: str, namespace: str, size: int | None, backend: str | None, labels: dict[str, str]
) -> None:
    """Register a volume."""
    session = current()
    given = {"size": size, "backend_type": backend, "labels": labels or None}
    body: dict[str, object] = {"namespace": namespace, "name": name}
    body |= {key: value for key, value in given.items() if value is not None}
    response = session.post("volumes", body=body)
    if not response.ok:
        raise write_failed(f"Failed to create volume '{name}'", response)
    made = one_line(one_object(session.client.decode(response)).get("id"))
    session.print(f"Volume '{name}' created in namespace '{namespace}' (id: {made})", GREEN)


@click.command("inspect", cls=RingCommand)
@click.argument("volume_id", metavar="ID")
@output_option
def inspect(volume_id: str) -> None:
    """Show one volume."""
    session = current()
    show_object(session, one_item(session, "volume", volume_id, "volumes", volume_id), _show)


def _show(session: Session, row: Row) -> None:
    facts = [
        ("Id", row.get("id")),
        ("Namespace", row.get("namespace")),
        ("Name", row.get("name")),
        ("Size", row.get("size")),
        ("Backend", row.get("backend_type")),
        ("Host path", row.get("host_path")),
        ("Created at", utc(row.get("created_at"))),
        ("Updated at", utc(row.get("updated_at"))),
    ]
    show_facts(session, facts, width=11)
    if labels := mapping(row.get("labels")):
        show_section(session, "LABELS", [f"{key} = {value}" for key, value in labels.items()])


@click.command("delete", cls=RingCommand)
@click.argument("volume_id", metavar="ID")
def delete(volume_id: str) -> None:
    """Take a volume off the register; its data stays with the driver."""
    session = current()
    response = session.delete("volumes", volume_id)
    if not response.ok:
        refusal = item_failed("volume", volume_id, response.status, trouble(response))
        listed = "".join(f"\n  - {name}" for name in references(response))
        raise CommandFailed(f"{refusal.message}{listed}", refusal.code)
    session.print(f"Volume {volume_id} deleted", GREEN)
