"""What a plan is made of and what it says: the planner's whole interface."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime

    from ring.core.model.deployment import Deployment
    from ring.core.model.events import EventDraft
    from ring.core.model.health import CheckState, Fired
    from ring.core.model.ids import DeploymentId, GroupKey, InstanceId, InstanceName, OperationId
    from ring.core.model.ledger import Entry
    from ring.core.model.observed import Listing, Unknown
    from ring.core.model.operations import Action, OperationView, Outcome

NameSource = Callable[[], str]
"""Draws 8 lowercase hex characters."""


@dataclass(frozen=True, slots=True)
class Now:
    mono: float
    wall: datetime


@dataclass(frozen=True, slots=True)
class RuntimeView:
    """One runtime as this process knows it now."""

    seen: Listing | Unknown


@dataclass(frozen=True, slots=True)
class Memory:
    """What a group's passes hand on to the next one and a kill may forget."""

    due: Mapping[DeploymentId, tuple[datetime, float]] = field(default_factory=dict)
    """A persisted next_create_at and the monotonic time it was read as."""
    hold: Mapping[DeploymentId, float] = field(default_factory=dict)
    """No create before this monotonic time (waits that are not persisted)."""
    lacking: Mapping[DeploymentId, tuple[int, float]] = field(default_factory=dict)
    """Something that the row refers to was missing at this count of View.inputs: no create before
    this monotonic time, or another count."""
    healthy_since: Mapping[DeploymentId, float] = field(default_factory=dict)
    batch_end: Mapping[DeploymentId, float] = field(default_factory=dict)
    """Starts planned before this time fail together with one already counted."""
    settle_at: Mapping[InstanceName, float] = field(default_factory=dict)
    retry_at: Mapping[InstanceName, tuple[int, float]] = field(default_factory=dict)
    """Failed removals and inspections: how often, and when to try again."""
    put_back: Mapping[InstanceName, tuple[int, float]] = field(default_factory=dict)
    """Instances connected to their network again that have not stayed there for a while yet: how
    often in a row, and when last."""
    empty_since: Mapping[DeploymentId, float] = field(default_factory=dict)
    """When a deleted row was first seen with nothing left."""
    deleted_since: Mapping[DeploymentId, float] = field(default_factory=dict)
    deadline: Mapping[DeploymentId, float] = field(default_factory=dict)
    """When a row that has to become ready has failed (the persisted creation, read once)."""
    green_at: Mapping[DeploymentId, float] = field(default_factory=dict)
    """When a rolling child that had been running was first seen not ready again."""
    stepped_at: Mapping[DeploymentId, float] = field(default_factory=dict)
    """When a rolling child became running, or its last step was taken."""
    unreachable: frozenset[DeploymentId] = frozenset()
    """Rows that have told that their runtime does not answer."""


@dataclass(frozen=True, slots=True)
class Limits:
    """The engine's constants, by their defaults. Seconds."""

    settle_s: float = 0.3
    forgive_after_s: float = 10.0
    forgive_floor_s: float = 1.0
    """However short min_healthy_time is: with none at all what always crashes would be healed at
    once for ever."""
    stop_grace_s: float = 10.0
    deleted_visible_s: float = 2.0
    wave_s: float = 5.0
    unavailable_retry_s: float = 1.0
    wait_retry_s: float = 10.0
    memory_retry_s: float = 60.0
    crash_loop_retry_s: float | None = 300.0
    """None: a crash loop is the end."""
    apply_timeout_s: float = 300.0
    rollout_deadline_s: float = 600.0
    """For a worker to become ready, from its creation and after its start_period."""
    step_s: float = 1.0
    """Between two steps of a rollout, and before the first one."""


@dataclass(frozen=True, slots=True)
class View:
    """One group, whole, at one moment."""

    key: GroupKey
    rows: tuple[Deployment, ...]
    """Oldest first."""
    ledger: Mapping[InstanceName, Entry]
    operations: tuple[OperationView, ...]
    outcomes: tuple[Outcome, ...]
    runtimes: Mapping[str, RuntimeView]
    """Registered runtimes; instances filtered to this group's rows."""
    memory: Memory = field(default_factory=Memory)
    limits: Limits = field(default_factory=Limits)
    inputs: int = 0
    """Grows whenever a secret or config that the group may refer to is written."""
    checks: Mapping[InstanceId, Mapping[int, CheckState]] = field(default_factory=dict)
    """By instance and index of the check in its deployment's list; without a result yet: absent."""
    fired: tuple[Fired, ...] = ()
    """In the order in which they fired."""


@dataclass(frozen=True, slots=True)
class RowChange:
    """The row as it is to be; committed only if `before` is still what is stored."""

    before: Deployment
    after: Deployment


@dataclass(frozen=True, slots=True)
class Plan:
    based_on: tuple[Deployment, ...] = ()
    """The rows as planned from: if one of them has changed since, nothing of this is written."""
    rows: tuple[RowChange, ...] = ()
    purge: tuple[Deployment, ...] = ()
    put_entries: tuple[Entry, ...] = ()
    drop_entries: tuple[InstanceName, ...] = ()
    events: tuple[EventDraft, ...] = ()
    actions: tuple[Action, ...] = ()
    """Begun only after all of the above is durable."""
    cancel: tuple[OperationId, ...] = ()
    folded: tuple[OperationId, ...] = ()
    """Outcomes that are part of this plan."""
    acted: tuple[int, ...] = ()
    """Fired.id of those that are part of this plan, whether something came of them or not."""
    revert: tuple[DeploymentId, ...] = ()
    """Failed rows in whose place the last revision that was ready is to be made again; the commit
    does it, as far as there is one."""
    refresh: frozenset[str] = frozenset()
    """Runtimes to list again: the plan waits for a newer listing."""
    wake_at: float | None = None
    memory: Memory = field(default_factory=Memory)
    reasons: Mapping[DeploymentId, str] = field(default_factory=dict)
    """What each row waits for, or why nothing is done."""

    @property
    def writes(self) -> bool:
        return bool(
            self.rows
            or self.purge
            or self.put_entries
            or self.drop_entries
            or self.events
            or self.revert
        )
