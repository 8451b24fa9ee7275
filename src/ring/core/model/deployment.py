"""One deployment row: the desired state, and what the engine keeps with it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ring.core.model.ids import DeploymentId, GroupKey
from ring.core.model.revision import Cause
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
    """The row that this one replaces bit by bit, while it does."""
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
    """`running` was committed at least once."""
    desired_replicas: int | None = None
    """The autoscaler's last decision; without a policy it means nothing."""
    last_scaled_at: datetime | None = None
    """When the autoscaler last acted (its cooldowns)."""
    drain_target: int | None = None
    """How many instances a rollout in progress leaves of this row, its parent. Never grows."""
    stopped: bool = False
    """A user wants nothing of it to run for now; `replicas` stays as declared."""
    health_restarts: int = 0
    """Restarts by health checks without a healthy while in between (their backoff)."""
    cause: Cause = Cause.APPLY
    """What made the row."""
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
    def is_job(self) -> bool:
        return self.spec.kind == "job"

    @property
    def wanted_replicas(self) -> int:
        """The declared count, or what the autoscaler makes of it within its bounds as they are."""
        wanted, policy = self.spec.replicas, self.spec.autoscale
        if policy is not None:
            decided = wanted if self.desired_replicas is None else self.desired_replicas
            wanted = min(max(decided, policy.min), policy.max)
        return wanted

    @property
    def full_target(self) -> int:
        """How many instances this row is to have, whatever a rollout does with it."""
        if self.is_job:
            return 1
        if self.stopped:
            return 0
        return max(0, self.wanted_replicas - self.retired_count)

    @property
    def target(self) -> int:
        """How many instances this row is to have now."""
        if self.drain_target is None:
            return self.full_target
        return min(self.full_target, self.drain_target)
