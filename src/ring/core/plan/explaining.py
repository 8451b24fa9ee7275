"""Where a group stands, and why: what the planner last said of its rows, summed up for people.

Made of the same view that a plan is made of, so that both know the same.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Literal

from ring.core.model.ledger import Phase
from ring.core.model.status import Status
from ring.core.plan.gate import checks_of
from ring.core.plan.lineage import children_of, has_ended, parent_of

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from ring.core.model.deployment import Deployment
    from ring.core.model.ids import DeploymentId
    from ring.core.plan.view import View

NOT_YET = "not looked at yet since the server started, or since it was made"


class State(StrEnum):
    READY = "ready"
    """As many as wanted are there and ready, and no rollout is on its way."""
    PROGRESSING = "progressing"
    STOPPED = "stopped"
    COMPLETED = "completed"
    FAILED = "failed"
    """It does not get there by itself."""
    WAITING = "waiting"
    """It lacks what somebody has to supply."""


Role = Literal["current", "parent", "child"]


@dataclass(frozen=True, slots=True)
class Decided:
    """What the last pass over a group said of its rows, and when."""

    at: datetime
    reasons: Mapping[DeploymentId, str]


@dataclass(frozen=True, slots=True)
class RowExplained:
    row: Deployment
    live: int
    ready: int
    """Of the live ones: those whose readiness checks pass."""
    role: Role
    reason: str


@dataclass(frozen=True, slots=True)
class Explained:
    state: State
    summary: str
    """The planner's words about the row that `state` goes by."""
    decided_at: datetime | None
    rows: tuple[RowExplained, ...]
    """Oldest first, those that are being deleted included."""


def explain(view: View, decided: Decided | None) -> Explained:
    """Of a group with at least one row."""
    active = [row for row in view.rows if not row.is_deleted]
    leading = (active or view.rows)[-1]
    rows = tuple(_explained(view, row, decided) for row in view.rows)
    lead = next(each for each in rows if each.row.id == leading.id)
    return Explained(
        state=_state(view, lead),
        summary=lead.reason,
        decided_at=None if decided is None else decided.at,
        rows=rows,
    )


def _explained(view: View, row: Deployment, decided: Decided | None) -> RowExplained:
    live = [
        entry
        for entry in view.ledger.values()
        if entry.deployment_id == row.id and entry.phase is Phase.LIVE
    ]
    checks = checks_of(row.spec)
    ready = 0
    for entry in live:
        states = view.checks.get(entry.instance_id, {}) if entry.instance_id is not None else {}
        found = [states.get(index) for index in checks]
        ready += all(state is not None and state.is_green for state in found)
    reasons = {} if decided is None else decided.reasons
    reason = reasons.get(row.id) or row.halt_reason or NOT_YET
    return RowExplained(row, len(live), ready, _role(row, view), reason)


def _role(row: Deployment, view: View) -> Role:
    active = [other for other in view.rows if not other.is_deleted]
    if parent_of(row, active) is not None:
        return "child"
    return "parent" if children_of(row, active) else "current"


def _state(view: View, lead: RowExplained) -> State:
    row = lead.row
    if row.is_deleted:
        return State.PROGRESSING
    if row.status is Status.COMPLETED:
        return State.COMPLETED
    if row.status is Status.INSUFFICIENT_RESOURCES or has_ended(row):
        return State.FAILED
    if _is_settled(view, lead):
        return State.STOPPED if row.stopped else State.READY
    return State.WAITING if _lacks_something(view, lead) else State.PROGRESSING


def _is_settled(view: View, lead: RowExplained) -> bool:
    """Nothing is left to be done. A job is not before its end.

    By the full target: what a rollout has taken of a row comes back when the rollout is given up.
    """
    row = lead.row
    active = [other for other in view.rows if not other.is_deleted]
    is_whole = lead.live == row.full_target and not row.is_job and not _has_more(view, lead)
    if row.stopped:  # whatever status it had
        return is_whole and all(other.stopped for other in active)
    is_alone = len(active) == 1 and row.status is Status.RUNNING
    return is_whole and is_alone and lead.ready == lead.live


def _lacks_something(view: View, lead: RowExplained) -> bool:
    """A secret, a config, or the runtime itself; nothing of it has been written since."""
    row = lead.row
    if row.spec.runtime not in view.runtimes or row.status is Status.CONFIG_ERROR:
        return True
    lacked_at, _ = view.memory.lacking.get(row.id, (None, 0.0))
    return lacked_at == view.inputs and lead.live < row.target


def _has_more(view: View, lead: RowExplained) -> bool:
    """Instances that are on their way in or out."""
    entries = [each for each in view.ledger.values() if each.deployment_id == lead.row.id]
    return len(entries) != lead.live
