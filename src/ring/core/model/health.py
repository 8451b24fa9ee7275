"""What came of a health check."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime

    from ring.core.model.ids import DeploymentId, InstanceId

OUTCOMES = ("success", "failed", "timeout")


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
