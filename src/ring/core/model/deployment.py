"""One deployment row: the desired state, and what the engine keeps with it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ring.core.model.ids import DeploymentId, GroupKey
from ring.core.model.status import Status

if TYPE_CHECKING:
    from datetime import datetime

    from ring.core.model.spec import DeploymentSpec


@dataclass(frozen=True, slots=True)
class Deployment:
    """A row as committed. Replaced, never changed."""

    id: DeploymentId
    spec: DeploymentSpec
    """With a mark in place of a registry password."""
    status: Status
    created_at: datetime
    updated_at: datetime | None = None
    parent_id: DeploymentId | None = None
    revision: int = 1
    author: str | None = None
    """Id of the user whose request made the row."""
    restart_count: int = 0
    next_create_at: datetime | None = None
    """Persisted end of the current wait; clamped when read (a clock may have jumped)."""
    counted_death_at: datetime | None = None
    """When the instance counted last died (crash waves)."""
    halt_reason: str | None = None
    """Set: no instance is created for this row again."""
    retired_count: int = 0
    """Instances that ended by themselves with 0 and are not replaced."""
    was_running: bool = False
    image_digest: str | None = None
    password: bytes | None = field(default=None, repr=False)
    """Of the registry, sealed."""
    last_event_at: datetime | None = None
    version: int = 0
    """Grows with every write of the row; a plan made of an older one is not committed."""

    @property
    def key(self) -> GroupKey:
        return GroupKey(self.spec.namespace, self.spec.name)

    @property
    def is_deleted(self) -> bool:
        return self.status is Status.DELETED

    @property
    def target(self) -> int:
        """How many instances this row is to have."""
        return max(0, self.spec.replicas - self.retired_count)
