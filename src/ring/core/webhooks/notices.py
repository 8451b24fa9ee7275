"""Turns what was committed about a deployment into what its subscribers are told of it.

Pure, and apart from the planner: a plan says what happens, and this says which of it is of
interest outside.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from ring.core.webhooks.kinds import Kind

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from ring.core.model.deployment import Deployment
    from ring.core.model.events import EventDraft
    from ring.core.model.ids import DeploymentId
    from ring.core.model.status import Status
    from ring.core.plan.view import Plan

SCHEMA_VERSION: Final = 1

_USER: Final = ("image_pull_back_off", "config_error", "volume_source_invalid")
_HOST: Final = ("insufficient_resources",)
_TRANSIENT: Final = (
    "instance_creation_failed",
    "network_creation_failed",
    "file_system_error",
    "port_allocation_failed",
    "vm_start_failed",
    "firmware_not_found",
    "stats_fetch_failed",
    "runtime_error",
    "volume_in_use",
)
CATEGORIES: Mapping[str, str] = (
    dict.fromkeys(_USER, "user")
    | dict.fromkeys(_HOST, "host")
    | dict.fromkeys(_TRANSIENT, "transient")
)
"""Of the reasons that tell why a runtime did not bring something up; no other is an error."""

_ALIASES: Mapping[str, str] = {
    "image_not_found": "image_pull_back_off",
    "image_pull_failed": "image_pull_back_off",
}
_ACTIONS: Mapping[str, str] = {
    "health_check_instance_restart": "restart",
    "health_check_stop": "stop",
    "health_check_alert": "alert",
}
_DIRECTIONS: Mapping[str, str] = {"scale_up": "up", "scale_down": "down"}
_PHASES: Mapping[str, str] = {
    "rolling_update_step": "step",
    "rolling_update_complete": "complete",
    "rolling_update_failed": "failed",
}
_INNER_CAPITAL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")


@dataclass(frozen=True, slots=True)
class Notice:
    """One outbound event."""

    kind: Kind
    deployment_id: DeploymentId
    namespace: str
    payload: str
    """The body as it is sent: compact JSON."""


def of_plan(plan: Plan, told: Iterable[EventDraft]) -> list[Notice]:
    """What a committed plan tells. `told`: its events that were stored; one that only repeated its
    predecessor is no news outside either."""
    rows = {row.id: row for row in plan.based_on}
    rows |= {change.after.id: change.after for change in plan.rows}
    found = [
        notice
        for event in told
        if event.deployment_id in rows
        for notice in _of_event(rows[event.deployment_id], event)
    ]
    found.extend(
        status_changed(change.after, change.before.status)
        for change in plan.rows
        if change.before.status is not change.after.status
    )
    return found


def status_changed(row: Deployment, before: Status) -> Notice:
    """`row` as it is now."""
    return _notice(
        Kind.STATUS_CHANGED,
        row,
        {
            "old_status": before.value,
            "new_status": row.status.value,
            "restart_count": row.restart_count,
        },
    )


def reason_of(reason: str) -> str:
    """In snake case, whatever the runtime writes."""
    snake = _INNER_CAPITAL.sub("_", reason).lower()
    return _ALIASES.get(snake, snake)


def _of_event(row: Deployment, event: EventDraft) -> Iterator[Notice]:
    direction = _DIRECTIONS.get(event.reason)
    if direction is not None and event.instances is not None:
        yield _notice(
            Kind.SCALED,
            row,
            {
                "direction": direction,
                "instance_count": event.instances,
                "replicas": row.wanted_replicas,
            },
        )
    action = _ACTIONS.get(event.reason)
    if action is not None and event.instance_id is not None:
        yield _notice(
            Kind.HEALTH_CHECK_FAILED,
            row,
            {
                "instance_id": event.instance_id,
                "action": action,
                "message": event.detail or event.message,
            },
        )
    reason = reason_of(event.reason)
    if (phase := _PHASES.get(reason)) is not None:
        yield _rolling_update(row, event, phase)
    category = CATEGORIES.get(reason)
    if category is not None:
        yield _notice(
            Kind.ERROR, row, {"reason": reason, "category": category, "message": event.message}
        )


def _rolling_update(row: Deployment, event: EventDraft, phase: str) -> Notice:
    about = {
        "parent_id": event.parent_id,
        "phase": phase,
        "drained_instance_id": event.instance_id if phase == "step" else None,
    }
    return _notice(Kind.ROLLING_UPDATE, row, about)


def _notice(kind: Kind, row: Deployment, extra: Mapping[str, object]) -> Notice:
    spec = row.spec
    body = {
        "schema_version": SCHEMA_VERSION,
        "deployment_id": row.id,
        "namespace": spec.namespace,
        "name": spec.name,
        "kind": spec.kind,
        **extra,
    }
    text = json.dumps(body, separators=(",", ":"), ensure_ascii=False)
    # What an engine says may hold halves of surrogate pairs, which no UTF-8 text can.
    return Notice(kind, row.id, spec.namespace, text.encode(errors="replace").decode())
