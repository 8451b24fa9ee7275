"""What came of health checks, and where each of them stands."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime

    from ring.core.model.ids import DeploymentId, InstanceId, InstanceName

OUTCOMES = ("success", "failed", "timeout")


class Health(StrEnum):
    """What a container shows of itself to others, in the words and by the rules of Docker."""

    STARTING = "starting"
    HEALTHY = "healthy"
    UNHEALTHY = "unhealthy"


@dataclass(frozen=True, slots=True)
class HealthResult:
    """One run of one check on one instance."""

    id: str
    deployment_id: DeploymentId
    instance_id: InstanceId | None
    check_index: int
    """Of the deployment's list of checks."""
    check_type: str
    """`tcp`, `http` or `command`."""
    status: str
    """One of OUTCOMES."""
    message: str | None
    created_at: datetime
    started_at: datetime
    finished_at: datetime


@dataclass(frozen=True, slots=True)
class ResultDraft:
    """One run that has just ended; the store gives it an id."""

    deployment_id: DeploymentId
    instance_id: InstanceId
    check_index: int
    check_type: str
    status: str
    message: str
    started_at: datetime
    finished_at: datetime


@dataclass(frozen=True, slots=True)
class CheckState:
    """Where one check of one instance stands. Made by the results so far, the last one included."""

    status: str
    """Of the last result: one of OUTCOMES."""
    failures: int = 0
    """Results other than success in a row, counted while the row had been running; 0 again when
    an action fired."""
    ready_since: float | None = None
    """Monotonic seconds at which the first success of the current uninterrupted run was finished;
    None: the last result is none."""
    health: Health = Health.STARTING
    """As Docker's own health check would have it."""
    streak: int = 0
    """Results other than success in a row, as `health` counts them: whatever fired, and at most the
    check's threshold."""

    @property
    def is_green(self) -> bool:
        return self.status == "success"


@dataclass(frozen=True, slots=True)
class SavedState:
    """A CheckState as it outlives the server."""

    deployment_id: DeploymentId
    instance_id: InstanceId
    check_index: int
    status: str
    failures: int
    ready_since: datetime | None
    health: Health = Health.STARTING
    streak: int = 0


@dataclass(frozen=True, slots=True)
class Fired:
    """A check that reached its threshold and whose action is not yet part of a committed plan."""

    id: int
    """Unique in this process."""
    deployment_id: DeploymentId
    name: InstanceName
    instance_id: InstanceId
    check_index: int
    message: str
    """Of the last probe."""
