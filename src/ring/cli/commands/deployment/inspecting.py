"""`ring deployment inspect`."""

from __future__ import annotations

import click

from ring.cli.colours import DEPLOYMENT_STATUS
from ring.cli.commands.deployment import confining
from ring.cli.options import output_option
from ring.cli.refs import deployment_id
from ring.cli.rows import Row, mapping, members
from ring.cli.session import Session, current
from ring.cli.tables import grid
from ring.cli.text import one_line, utc
from ring.cli.tree import RingCommand
from ring.cli.views import one_item, show_object, show_section

_TITLE = "DEPLOYMENT DETAILS"
_VOLUME_HEADERS = ("Type", "Source", "Destination", "Key", "Driver", "Permission")


@click.command("inspect", cls=RingCommand)
@click.argument("deployment", metavar="ID")
@output_option
def inspect(deployment: str) -> None:
    """Show one deployment, by id or as NAMESPACE/NAME."""
    session = current()
    found = deployment_id(session, deployment)
    show_object(session, one_item(session, "deployment", deployment, "deployments", found), _show)


def _show(session: Session, row: Row) -> None:
    session.print(f"{_TITLE}\n{'=' * len(_TITLE)}")
    for key, value in _facts(row):
        colour = DEPLOYMENT_STATUS.get(str(value)) if key == "Status" else None
        session.out.line(f"{key:<13}: {session.out.paint(one_line(value), colour)}")
    if labels := mapping(row.get("labels")):
        show_section(session, "LABELS", [f"{key} = {value}" for key, value in labels.items()])
    if instances := members(row.get("instances")):
        show_section(session, "INSTANCES", [_instance(instance) for instance in instances])
    if settings := confining.settings(row):
        show_section(session, "SETTINGS", settings)
    if checks := members(row.get("health_checks")):
        show_section(session, "HEALTH CHECKS", map(_check, checks))
    volumes = [
        tuple(volume.get(header.lower()) for header in _VOLUME_HEADERS)
        for volume in members(row.get("volumes"))
    ]
    session.print("\nVOLUMES")
    session.out.line(grid(_VOLUME_HEADERS, volumes, session.out))


def _facts(row: Row) -> list[tuple[str, object]]:
    always = [
        ("Id", row.get("id")),
        ("Name", row.get("name")),
        ("Namespace", row.get("namespace")),
        ("Kind", row.get("kind")),
        ("Runtime", row.get("runtime")),
        ("Image", row.get("image")),
        ("Replicas", _replicas(row)),
        ("Status", row.get("status")),
        ("Restart count", row.get("restart_count")),
        ("Revision", row.get("revision")),
        ("Created at", utc(row.get("created_at"))),
        ("Updated at", utc(row.get("updated_at"))),
    ]
    present = [
        ("Ports", ", ".join(_port(port) for port in members(row.get("ports")))),
        ("Network", mapping(row.get("network")).get("mode")),
        ("Image digest", row.get("image_digest")),
        ("Parent", row.get("parent_id")),
        ("Stopped", "yes" if row.get("stopped") is True else None),
        ("Auto rollback", "yes" if row.get("auto_rollback") is True else None),
        ("User", confining.user(row)),
        ("Stop signal", row.get("stop_signal")),
        ("Stop grace", row.get("stop_grace_period")),
    ]
    return [*always, *((key, value) for key, value in present if value)]


def _replicas(row: Row) -> str:
    policy = mapping(row.get("autoscale"))
    if not policy:
        return str(row.get("replicas"))
    return (
        f"{row.get('desired_replicas')} (declared {row.get('replicas')}, autoscale "
        f"{policy.get('min')}-{policy.get('max')} targeting {policy.get('target_cpu')}% CPU)"
    )


def _port(port: Row) -> str:
    address = port.get("host_ip")
    host = f"[{address}]:" if ":" in str(address) else f"{address}:" if address else ""
    return f"{host}{port.get('published')}->{port.get('target')}/{port.get('protocol')}"


def _check(check: Row) -> str:
    """`http http://localhost/: every 5s, timeout 2s, 3 failures: restart, readiness`."""
    probed = check.get("url") or check.get("command") or check.get("port")
    threshold = check.get("threshold")
    parts = [
        f"every {check.get('interval')}",
        f"timeout {check.get('timeout')}",
        f"{threshold} failure{'' if threshold == 1 else 's'}: {check.get('on_failure')}",
    ]
    if check.get("readiness") is True:
        parts.append("readiness")
    parts += [
        f"{words} {check[key]}"
        for key, words in (("min_healthy_time", "for"), ("start_period", "start period"))
        if check.get(key)
    ]
    return f"{check.get('type')} {probed}: {', '.join(parts)}"


def _instance(instance: Row) -> str:
    address = instance.get("address")
    return f"{instance.get('id')} ({address})" if address else str(instance.get("id"))
