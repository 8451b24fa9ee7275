"""`ring node`: the machine that the server runs on."""

from __future__ import annotations

import click

from ring.cli.amounts import decimal
from ring.cli.failures import AUTH, CommandFailed, exit_code
from ring.cli.options import output_option
from ring.cli.problems import trouble
from ring.cli.rows import Row, one_object
from ring.cli.session import current
from ring.cli.tree import RingCommand, RingGroup
from ring.cli.views import show_facts

_TITLE = "Node Info"

node = RingGroup(
    "node",
    help="The machine that the server runs on.",
    lazy={
        "get": "ring.cli.commands.node:get",
        "orphans": "ring.cli.commands.orphans:orphans",
    },
    default="get",
)


@click.command("get", cls=RingCommand)
@output_option
def get() -> None:
    """Show the machine's name, system, processors, memory and load."""
    session = current()
    response = session.get("node", "get")
    if not response.ok:
        raise _refused(response.status, trouble(response))
    if session.json:
        session.print_json(response)
        return
    facts = _facts(one_object(session.client.decode(response)))
    session.print(f"{_TITLE}\n{'=' * len(_TITLE)}")
    show_facts(session, facts, width=17)


def _facts(row: Row) -> list[tuple[str, object]]:
    load = row.get("load_average")
    return [
        ("Hostname", row.get("hostname")),
        ("OS", row.get("os")),
        ("Architecture", row.get("arch")),
        ("Uptime", row.get("uptime")),
        ("CPU Cores", row.get("cpu_count")),
        ("Memory Total", f"{decimal(row.get('memory_total'))} GiB"),
        ("Memory Available", f"{decimal(row.get('memory_available'))} GiB"),
        ("Load Average", ", ".join(map(decimal, load)) if isinstance(load, list) else load),
    ]


def _refused(status: int, why: str) -> CommandFailed:
    if status in {401, 403}:
        hint = " — run `ring login` or set RING_TOKEN" if status == 401 else ""
        return CommandFailed(f"error: not authorized to read the node{hint}", AUTH)
    because = f": {why}" if why else ""
    return CommandFailed(f"error: node: request failed ({status}){because}", exit_code(status))
