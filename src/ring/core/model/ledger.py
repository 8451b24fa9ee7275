"""What must be remembered of an instance because no runtime can tell it.

An entry is written before the act it announces, in the transaction of the change it belongs
to, and dropped when the runtime confirms the instance gone.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime

    from ring.core.model.ids import DeploymentId, InstanceId, InstanceName


class Phase(StrEnum):
    CREATING = "creating"
    """A create of this name is wanted or in flight."""
    SETTLING = "settling"
    """Started, not yet confirmed live."""
    LIVE = "live"
    STOPPING = "stopping"
    """Ring ends it: its death means nothing."""
    COUNTED = "counted"
    """It died and its death was judged: it is only to be removed."""


class Why(StrEnum):
    """What an entry's phase alone does not say."""

    ATTEMPT = "attempt"
    """The one instance that a crash loop tries; the mark goes with the state."""
    SCALE_DOWN = "scale_down"
    DRAIN = "drain"
    """A rollout step: its successor is ready."""
    UNHEALTHY = "unhealthy"
    """A health check restarts it."""
    DELETE = "delete"
    FAILED_CREATE = "failed_create"
    """What a create that failed or was killed may have left behind."""
    LEFTOVER = "leftover"
    """Found created but never started, or exited and never ours to judge."""
    KEPT = "kept"
    """A job's instance that has ended: judged, and there for its logs until the row is deleted."""


@dataclass(frozen=True, slots=True)
class Entry:
    name: InstanceName
    deployment_id: DeploymentId
    instance_id: InstanceId | None
    phase: Phase
    since: datetime
    reason: Why | None = None
    born: datetime | None = None
    """When the runtime made it, exactly; None until it was asked about this very instance."""
