"""Results of health checks on the wire."""

from __future__ import annotations

from typing import TYPE_CHECKING

from typing_extensions import TypedDict

from ring.clock import rfc3339

if TYPE_CHECKING:
    from ring.core.model.health import HealthResult


class HealthCheckShape(TypedDict):
    id: str
    deployment_id: str
    instance_id: str | None
    check_index: int
    check_type: str
    status: str
    message: str | None
    created_at: str
    started_at: str
    finished_at: str


def health_check(result: HealthResult) -> HealthCheckShape:
    return {
        "id": result.id,
        "deployment_id": result.deployment_id,
        "instance_id": result.instance_id,
        "check_index": result.check_index,
        "check_type": result.check_type,
        "status": result.status,
        "message": result.message,
        "created_at": rfc3339(result.created_at),
        "started_at": rfc3339(result.started_at),
        "finished_at": rfc3339(result.finished_at),
    }
