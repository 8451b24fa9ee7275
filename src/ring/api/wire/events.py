"""Deployment events on the wire."""

from __future__ import annotations

from typing import TYPE_CHECKING

from typing_extensions import TypedDict

from ring.clock import rfc3339

if TYPE_CHECKING:
    from ring.core.model.events import Event


class EventShape(TypedDict):
    id: str
    deployment_id: str
    timestamp: str
    level: str
    message: str
    component: str
    reason: str | None


def event(entry: Event) -> EventShape:
    return {
        "id": entry.id,
        "deployment_id": entry.deployment_id,
        "timestamp": rfc3339(entry.timestamp),
        "level": entry.level,
        "message": entry.message,
        "component": entry.component,
        "reason": entry.reason,
    }
