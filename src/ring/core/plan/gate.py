"""Readiness: whether the instances of a row may take over, and until when they have to.

It guards the way from `creating` to `running` and every step of a rollout; what has been running
never falls back because of it. A row without a readiness check is ready as soon as it lives.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

from ring.core.model.events import Level
from ring.core.model.ledger import Entry, Phase, Why
from ring.core.model.status import CREATING, Status
from ring.core.plan import scaling
from ring.core.plan.draft import SCHEDULER
from ring.core.plan.window import seconds, window_s

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ring.core.model.deployment import Deployment
    from ring.core.model.spec import DeploymentSpec
    from ring.core.plan.draft import RowDraft

WINDOW_S = 10.0
"""How long an instance has to stay green where its check does not say."""


class Gate(StrEnum):
    READY = "ready"
    PENDING = "pending"
    """Something was not probed yet, or has not been green for long enough."""
    FAILING = "failing"


def checks_of(spec: DeploymentSpec) -> list[int]:
    """The indices of the checks that gate a row."""
    if spec.kind == "job":
        return []
    return [index for index, check in enumerate(spec.health_checks) if check.readiness]


def patience_s(row: RowDraft) -> float:
    """How long a row may take to become ready, and later to become ready again."""
    spec = row.row.spec
    starts = (spec.health_checks[index].start_period for index in checks_of(spec))
    return max((seconds(time, 0.0) for time in starts), default=0.0) + (
        row.limits.rollout_deadline_s
    )


def is_ready(row: RowDraft) -> Gate:
    """Of all instances together; one that is not confirmed yet is pending."""
    if not checks_of(row.row.spec):
        return Gate.READY
    states = [_state(row, entry)[0] for entry in _observed(row)]
    if not states or Gate.PENDING in states:
        return Gate.PENDING
    return Gate.FAILING if Gate.FAILING in states else Gate.READY


def ready_instances(row: RowDraft) -> list[Entry]:
    """Those that do what is asked of the deployment now."""
    gated = bool(checks_of(row.row.spec))
    return [
        entry
        for entry in _observed(row)
        if entry.phase is Phase.LIVE and (not gated or _state(row, entry)[0] is Gate.READY)
    ]


def opens(row: RowDraft) -> bool:
    """Whether a row that is to be `running` may be; arranges to be woken when a window ends."""
    if is_ready(row) is Gate.READY:
        return True
    ends = [until for entry in _observed(row) if (until := _state(row, entry)[1]) is not None]
    for until in ends:
        row.draft.wake(until)
    return False


def expire(row: RowDraft) -> None:
    """Fails a row that had its time and never became ready; wakes when its time is over."""
    gated = bool(checks_of(row.row.spec))
    if not gated or row.row.was_running or row.row.status not in CREATING:
        return
    at = _deadline(row)
    if at is None or row.row.halt_reason is not None:
        return
    if row.now.mono < at:
        row.draft.wake(at)
        return
    fail(row, f"Not ready within {patience_s(row):g} s of its creation: {told(row)}")


def fail(row: RowDraft, message: str) -> None:
    """Nothing is created for it any more; what lives stays to be looked at."""
    row.change(
        status=Status.FAILED, halt_reason="it did not become ready in time", next_create_at=None
    )
    for entry in row.entries(Phase.CREATING):
        scaling.give_up(row, entry, Why.FAILED_CREATE)
    row.event(Level.ERROR, "readiness_deadline_exceeded", message, SCHEDULER)


def told(row: RowDraft) -> str:
    """Where it stands, in words."""
    observed = list(_observed(row))
    if not observed:
        return "no instance is live"
    states = [_state(row, entry) for entry in observed]
    green = sum(state is Gate.READY or until is not None for state, until in states)
    text = f"{green} of {len(states)} instances green"
    ends = [until for _, until in states if until is not None]
    if green == len(states) and ends:
        text += f", window ends in {max(ends) - row.now.mono:.0f} s"
    return text


def _observed(row: RowDraft) -> Iterator[Entry]:
    for entry in row.entries(Phase.SETTLING, Phase.LIVE):
        instance = row.instances.get(entry.name)
        if instance is not None and instance.is_live:
            yield entry


def _state(row: RowDraft, entry: Entry) -> tuple[Gate, float | None]:
    """Of one live instance; and when it is ready if it is green and stays so."""
    states = row.draft.view.checks.get(row.instances[entry.name].id, {})
    found = [states.get(index) for index in checks_of(row.row.spec)]
    results = [state for state in found if state is not None]
    if entry.phase is not Phase.LIVE or len(results) < len(found):
        return Gate.PENDING, None
    if not all(state.is_green for state in results):
        return Gate.FAILING, None
    now = row.now.mono
    began = max(now if state.ready_since is None else state.ready_since for state in results)
    until = min(began, now) + window_s(row.row, WINDOW_S)
    return (Gate.READY, None) if until <= now else (Gate.PENDING, until)


def _deadline(row: RowDraft) -> float | None:
    """Monotonic; read once, so that a clock that jumps moves it by the whole wait at most."""
    born = row.row.created_at
    if not _is_known(row.row):
        return None
    whole = patience_s(row)
    # In seconds, not as a moment: a start_period may reach beyond the last year there is.
    left = whole - (row.now.wall - born).total_seconds()
    return row.draft.deadline.setdefault(row.row.id, row.now.mono + min(left, whole))


def _is_known(row: Deployment) -> bool:
    """A creation that could not be read is stored as the epoch, and never expires."""
    return row.created_at.timestamp() > 0
