"""Folds operations that ended into the draft: what began to live, what failed, what is gone."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, assert_never

from ring.core.model.events import Level
from ring.core.model.failures import TREATMENT, UNSEEN, Disposition, Failure, FailureClass
from ring.core.model.ledger import Entry, Phase, Why
from ring.core.model.observed import State
from ring.core.model.operations import (
    Attached,
    AttachInstance,
    Inspected,
    InspectInstance,
    OperationFailed,
    Removed,
    Started,
    StartFailed,
    StartInstance,
)
from ring.core.model.status import RETRIED, Status
from ring.core.plan import attaching, budget, rollouts

if TYPE_CHECKING:
    from ring.core.model.observed import Instance
    from ring.core.model.operations import Outcome
    from ring.core.plan.draft import RowDraft

RETRY_LONGEST_S = 60.0
MOST_REDRAWN = 3
"""Names for one instance after the first: what is taken time and again is no chance."""
OUTAGE_TOLD_S = 60.0
"""A second failure so soon after the first one belongs to it."""


def fold(row: RowDraft) -> None:
    """Every outcome of this row, in the order in which they ended."""
    for outcome in row.outcomes():
        row.draft.folded.append(outcome.id)
        match outcome.result:
            case Started():
                _started(row, outcome, outcome.result)
            case StartFailed():
                _start_failed(row, outcome, outcome.result)
            case Inspected():
                _inspected(row, outcome, outcome.result)
            case Attached():
                _attached(row, outcome)
            case Removed():
                _removed(row, outcome)
            case OperationFailed():
                _try_again(row, outcome, outcome.result.failure)
            case _ as never:
                assert_never(never)


def came_up(row: RowDraft, entry: Entry, instance: Instance, settled_at: float) -> None:
    """An instance began to run: counted as present, and confirmed where the status waits for it."""
    entry = replace(entry, instance_id=instance.id)
    if row.row.image_digest is None:
        row.change(image_digest=instance.image_digest)
    before = len(row.entries(Phase.SETTLING, Phase.LIVE))
    row.event(
        Level.INFO,
        "scale_up",
        f"Scaled up from {before} to {before + 1} replicas",
        instances=before + 1,
    )
    if row.row.status is Status.RUNNING:
        row.move(entry, Phase.LIVE)
    else:
        row.move(entry, Phase.SETTLING)
        row.draft.settle_at[entry.name] = settled_at
    if row.row.status in RETRIED and not row.row.was_running:
        row.change(status=Status.CREATING)
    if row.row.status is not Status.CRASH_LOOP_BACK_OFF and budget.is_due(row):
        row.change(next_create_at=None)


def _started(row: RowDraft, outcome: Outcome, result: Started) -> None:
    entry = row.entry(outcome.action.name)
    if entry is None or entry.phase is not Phase.CREATING or row.row.is_deleted:
        # Given up while the engine was at it: what came of it is removed.
        row.put(
            Entry(
                outcome.action.name,
                row.row.id,
                result.instance.id,
                Phase.STOPPING,
                row.now.wall,
                entry.reason if entry and entry.reason else Why.FAILED_CREATE,
            )
        )
        return
    exact = replace(entry, born=result.instance.created_at)
    came_up(row, exact, result.instance, outcome.ended + row.limits.settle_s)


def _start_failed(row: RowDraft, outcome: Outcome, result: StartFailed) -> None:
    entry = row.entry(outcome.action.name)
    if entry is not None:
        if result.clean:
            row.drop(entry)
        elif _may_have_run(row, result.failure):
            pass  # looked for under its name by the next attempt
        elif entry.phase is not Phase.STOPPING:
            row.move(entry, Phase.STOPPING, Why.FAILED_CREATE)
    if row.row.is_deleted or result.failure.kind is FailureClass.CANCELLED:
        return
    if row.row.halt_reason is not None:
        return  # what was in flight beside the failure that halted it changes nothing any more
    if _draws_again(row, outcome, result):
        return
    _treat(row, outcome, result)
    for waiting in row.entries(Phase.CREATING):
        operation = row.operation(waiting.name)
        if operation is not None and not operation.begun:
            row.cancel_start(waiting, Why.FAILED_CREATE)


def _draws_again(row: RowDraft, outcome: Outcome, result: StartFailed) -> bool:
    """Nothing has failed but a name: the row still lacks an instance, and its start draws anew."""
    action = outcome.action
    if result.failure.kind is not FailureClass.NAME_TAKEN or not isinstance(action, StartInstance):
        return False
    if action.names_taken >= MOST_REDRAWN:
        return False
    row.names_taken = max(row.names_taken, action.names_taken + 1)
    return True


def _may_have_run(row: RowDraft, failure: Failure) -> bool:
    """A start that nobody saw the end of: a job is not run again before that is known."""
    return row.row.is_job and not row.row.is_deleted and failure.kind in UNSEEN


def _treat(row: RowDraft, outcome: Outcome, result: StartFailed) -> None:
    failure = result.failure
    treatment = TREATMENT[failure.kind]
    row.failed = True
    match treatment.disposition:
        case Disposition.WAIT:
            _wait(row, failure, result.inputs)
        case Disposition.PERMANENT:
            _halt(row, failure)
        case Disposition.RETRY:
            if outcome.since < row.draft.batch_end.get(row.row.id, outcome.since):
                return  # one of several in flight together: counted with the first
            row.draft.batch_end[row.row.id] = row.now.mono
            row.asked_s = max(row.asked_s, failure.retry_after_s)
            budget.count(row)
            message = f"{failure.message} (failure {budget.outlook(row)})"
            row.event(Level.ERROR, treatment.reason, message, treatment.component or "")
            if treatment.status is not None:
                _show(row, treatment.status)
        case _ as never:
            assert_never(never)


def _wait(row: RowDraft, failure: Failure, inputs: int | None) -> None:
    treatment = TREATMENT[failure.kind]
    if inputs is not None:
        row.draft.lacking[row.row.id] = (inputs, row.now.mono + row.limits.wait_retry_s)
        row.event(Level.ERROR, treatment.reason, failure.message, treatment.component or "")
    else:
        _hold(row, failure)
    if treatment.status is not None and not row.entries(Phase.LIVE):
        _show(row, treatment.status)


def _hold(row: RowDraft, failure: Failure) -> None:
    treatment = TREATMENT[failure.kind]
    limits = row.limits
    away = failure.kind is FailureClass.UNAVAILABLE
    before = row.draft.hold.get(row.row.id, -OUTAGE_TOLD_S)
    row.draft.hold[row.row.id] = row.now.mono + (
        limits.unavailable_retry_s if away else limits.wait_retry_s
    )
    if not away:
        message = f"{failure.message} (tried again every {limits.wait_retry_s:g} s)"
        row.event(Level.ERROR, treatment.reason, message)
    elif row.now.mono - before < OUTAGE_TOLD_S:
        # Not the first time: an engine that is away altogether is told by its listing.
        # Why stands in the server's log: it names the engine's address and what to do on its host.
        message = (
            f"The {row.runtime} runtime does not carry out a create (tried again until it does)"
        )
        row.event(Level.WARNING, treatment.reason, message)


def _halt(row: RowDraft, failure: Failure) -> None:
    treatment = TREATMENT[failure.kind]
    retried = failure.kind is FailureClass.INSUFFICIENT_RESOURCES and _another_is_up(row)
    after = f"tried again every {row.limits.memory_retry_s:g} s" if retried else "not tried again"
    row.event(Level.ERROR, treatment.reason, f"{failure.message} ({after})")
    if treatment.status is not None and row.row.status not in {Status.COMPLETED, Status.FAILED}:
        row.change(status=treatment.status)
    if retried:
        row.draft.hold[row.row.id] = row.now.mono + row.limits.memory_retry_s
        return
    row.change(halt_reason=failure.message, next_create_at=None)


def _another_is_up(row: RowDraft) -> bool:
    """An instance runs, or is about to: memory it was given may come free again."""
    begun = (row.operation(entry.name) for entry in row.entries(Phase.CREATING))
    return bool(row.entries(Phase.SETTLING, Phase.LIVE)) or any(
        operation is not None and operation.begun for operation in begun
    )


def _show(row: RowDraft, status: Status) -> None:
    """The class's status, unless the row is in a state that a retried failure does not change."""
    current = row.row.status
    if current in {Status.CRASH_LOOP_BACK_OFF, Status.COMPLETED, Status.FAILED}:
        return
    row.change(status=status)


def _inspected(row: RowDraft, outcome: Outcome, result: Inspected) -> None:
    entry = row.entry(outcome.action.name)
    if entry is None:
        return
    row.draft.retry_at.pop(entry.name, None)
    instance = row.instances.get(entry.name)
    alive = result.instance is not None and result.instance.is_live
    if alive and instance is not None and instance.state is State.EXITED:
        # Started again by somebody, whose event or listing is yet to come: asked again soon.
        row.draft.retry_at[entry.name] = (1, row.now.mono + row.limits.unavailable_retry_s)
    settling = entry.phase is Phase.SETTLING and _is_settle(outcome)
    if settling and alive and instance is not None and instance.is_live:
        row.move(replace(entry, born=entry.born or instance.created_at), Phase.LIVE)
        row.draft.settle_at.pop(entry.name, None)
        row.promoted = True


def _is_settle(outcome: Outcome) -> bool:
    return isinstance(outcome.action, InspectInstance) and outcome.action.settle


def _attached(row: RowDraft, outcome: Outcome) -> None:
    name = outcome.action.name
    row.draft.retry_at.pop(name, None)
    instance = row.instances.get(name)
    if row.entry(name) is not None and instance is not None and instance.is_live:
        attaching.put_back(row, name)


def _removed(row: RowDraft, outcome: Outcome) -> None:
    entry = row.entry(outcome.action.name)
    if entry is None:
        return
    if entry.reason is Why.SCALE_DOWN:
        leaving = [e for e in row.entries(Phase.STOPPING) if e.reason is Why.SCALE_DOWN]
        count = len(row.entries(Phase.SETTLING, Phase.LIVE)) + len(leaving)
        row.event(
            Level.INFO,
            "scale_down",
            f"Scaled down from {count} to {count - 1} replicas: removed {entry.name}",
            instances=count - 1,
        )
    row.drop(entry)
    if entry.reason is Why.DRAIN:
        rollouts.drained(row, entry)


def _try_again(row: RowDraft, outcome: Outcome, failure: Failure) -> None:
    name = outcome.action.name
    if row.entry(name) is None:
        return
    times = row.draft.retry_at.get(name, (0, 0.0))[0] + 1
    wait_s = min(2.0 ** min(times - 1, 10), RETRY_LONGEST_S)
    row.draft.retry_at[name] = (times, row.now.mono + wait_s)
    if isinstance(outcome.action, InspectInstance):
        return
    if failure.kind is FailureClass.CANCELLED:
        return
    if isinstance(outcome.action, AttachInstance):
        attaching.tell(row, name, f"it cannot be connected: {failure.message}; it is tried again")
        return
    if failure.kind is not FailureClass.UNAVAILABLE:
        row.event(
            Level.ERROR,
            "teardown_failed",
            f"Cannot remove {name}: {failure.message}; it is tried again",
        )
