"""`ring deployment metrics`: what the instances of a deployment use right now."""

from __future__ import annotations

import click

from ring.cli.amounts import decimal, size
from ring.cli.options import output_option
from ring.cli.refs import deployment_id
from ring.cli.rows import Row, mapping, members
from ring.cli.session import Session, current
from ring.cli.text import one_line
from ring.cli.tree import RingCommand
from ring.cli.views import one_item, show_facts, show_object

_TITLE = "DEPLOYMENT METRICS:"


@click.command("metrics", cls=RingCommand)
@click.argument("deployment", metavar="ID")
@output_option
def metrics(deployment: str) -> None:
    """Show what the instances of a deployment use now.

    CPU, memory, network, disk and processes, in sum and each.
    """
    session = current()
    found = deployment_id(session, deployment)
    sample = one_item(session, "deployment", deployment, "deployments", found, "metrics")
    show_object(session, sample, _show)


def _show(session: Session, sample: Row) -> None:
    session.print(f"{_TITLE} {one_line(sample.get('deployment_name'))}\n{'=' * len(_TITLE)}")
    facts = [
        ("Instances", sample.get("instance_count")),
        ("Total CPU", f"{decimal(sample.get('total_cpu_usage_percent'))}%"),
        ("Total Memory", _memory(sample.get("total_memory"))),
        ("Total Net I/O", _network(sample.get("total_network"))),
        ("Total Disk I/O", _disk(sample.get("total_disk_io"))),
        ("Total PIDs", sample.get("total_pids")),
    ]
    show_facts(session, facts, width=14)
    for instance in members(sample.get("instances")):
        _show_instance(session, instance)


def _show_instance(session: Session, instance: Row) -> None:
    name, short = one_line(instance.get("instance_name")), one_line(instance.get("instance_id"))
    session.print(f"\n  Instance: {name} ({short})")
    pids = mapping(instance.get("pids"))
    facts = [
        ("    CPU", f"{decimal(instance.get('cpu_usage_percent'))}%"),
        ("    Memory", _memory(instance.get("memory"))),
        ("    Net I/O", _network(instance.get("network"))),
        ("    Disk I/O", _disk(instance.get("disk_io"))),
        ("    PIDs", f"{one_line(pids.get('current'))} / {one_line(pids.get('limit'))}"),
        ("    Restarts", instance.get("restart_count")),
    ]
    show_facts(session, facts, width=14)


def _memory(value: object) -> str:
    memory = mapping(value)
    used, limit = size(memory.get("usage_bytes")), size(memory.get("limit_bytes"))
    return f"{used} / {limit} ({decimal(memory.get('usage_percent'), 1)}%)"


def _network(value: object) -> str:
    network = mapping(value)
    return f"{size(network.get('rx_bytes'))} rx / {size(network.get('tx_bytes'))} tx"


def _disk(value: object) -> str:
    disk = mapping(value)
    return f"{size(disk.get('read_bytes'))} read / {size(disk.get('write_bytes'))} write"
