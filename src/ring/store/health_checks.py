"""Results of health checks, as they are kept."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ring.core.model.health import HealthResult
from ring.store.decoding import EPOCH, moment

if TYPE_CHECKING:
    import sqlite3

    from ring.core.model.ids import DeploymentId
    from ring.store.door import Door


class HealthChecks:
    def __init__(self, door: Door) -> None:
        self._door = door

    def newest(self, deployment_id: DeploymentId, limit: int) -> tuple[HealthResult, ...]:
        """The last begun first."""
        values = {"deployment_id": deployment_id, "limit": limit}
        return tuple(decode(row) for row in self._door.read("health_checks", "newest", values))

    def latest(self, deployment_id: DeploymentId) -> tuple[HealthResult, ...]:
        """The last one of each type, by type."""
        values = {"deployment_id": deployment_id}
        return tuple(decode(row) for row in self._door.read("health_checks", "latest", values))


def decode(row: sqlite3.Row) -> HealthResult:
    name = f"health check {row['id']}"
    return HealthResult(
        id=row["id"],
        deployment_id=row["deployment_id"],
        instance_id=row["instance_id"],
        check_index=row["check_index"],
        check_type=row["check_type"],
        status=row["status"],
        message=row["message"],
        created_at=moment(row["created_at"], of=f"{name}: created_at") or EPOCH,
        started_at=moment(row["started_at"], of=f"{name}: started_at") or EPOCH,
        finished_at=moment(row["finished_at"], of=f"{name}: finished_at") or EPOCH,
    )
