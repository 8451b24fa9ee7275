"""The planner: one group's desired, observed and remembered state in, one plan out.

Pure: the same view, time and names give the same plan. It never raises for user data; what it
cannot do yet is a reason in the plan.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from ring.core.model.events import EventDraft, Level
from ring.core.model.ledger import Phase
from ring.core.model.observed import Unknown
from ring.core.model.status import CREATING, FINAL, RETRIED, Status
from ring.core.plan import (
    attaching,
    budget,
    deaths,
    gate,
    health_actions,
    jobs,
    outcomes,
    removal,
    rollouts,
    scaling,
)
from ring.core.plan.draft import SCHEDULER, Draft, RowDraft

if TYPE_CHECKING:
    from ring.core.model.deployment import Deployment
    from ring.core.plan.view import NameSource, Now, Plan, RuntimeView, View


def plan(view: View, now: Now, names: NameSource) -> Plan:
    """What to write and then to do for one group. Reads nothing but its arguments."""
    draft = Draft(view, now, names)
    known: list[RowDraft] = []
    for row in view.rows:
        runtime = view.runtimes.get(row.spec.runtime)
        if runtime is None or isinstance(runtime.seen, Unknown):
            _unreachable(draft, row, runtime)
            continue
        draft.unreachable.discard(row.id)
        known.append(RowDraft(draft, row, runtime.seen))
    for work in known:
        outcomes.fold(work)
        if work.row.is_deleted:
            removal.tear_down(work)
        elif work.row.is_job:
            jobs.supervise(work)
        else:
            _supervise(work)
    rollouts.advance(draft, known)
    for work in known:
        _explain(work)
        work.remove_marked()
        work.close()
    _fold_orphaned(draft)
    return draft.finish()


def _supervise(row: RowDraft) -> None:
    deaths.adopt(row)
    deaths.judge_ends(row)
    health_actions.act(row)
    if row.row.is_deleted:
        removal.tear_down(row)
        return
    budget.spend(row)
    scaling.compare(row)
    scaling.settle(row)
    attaching.reattach(row)
    _settle_status(row)
    budget.forgive(row)
    _leave_crash_loop(row)


def _settle_status(row: RowDraft) -> None:
    """The status that the instances justify now. A drain wants less, but justifies nothing."""
    status = row.row.status
    live = len(row.entries(Phase.LIVE))
    if row.row.halt_reason is not None:
        return
    nothing_wanted = row.row.full_target == 0 and not row.entries(*scaling.PRESENT)
    if row.row.retired_count and nothing_wanted and not row.row.stopped:
        if status is not Status.COMPLETED:
            row.change(status=Status.COMPLETED, next_create_at=None)
        return
    if nothing_wanted:
        if status not in {Status.RUNNING, *FINAL} or status is Status.INSUFFICIENT_RESOURCES:
            _rest(row)
    elif status in CREATING:
        _start_up(row, live)
    elif status in RETRIED or status is Status.INSUFFICIENT_RESOURCES:
        whole = live >= row.row.full_target and not row.failed
        if whole or (row.promoted and live):
            _recover(row, live)


def _rest(row: RowDraft) -> None:
    """What wants nothing and has nothing is as it should be, once what it replaces is gone: as
    `running` it would wait for that no more when it is to have instances."""
    if scaling.older_remains(row):
        row.reason(scaling.OLDER_REMAINS)
        return
    row.change(next_create_at=None)
    _run(row, 0)


def _start_up(row: RowDraft, live: int) -> None:
    """`running` as soon as one instance is confirmed and, where that is asked, all are ready."""
    if live and gate.opens(row):
        _run(row, live)
        return
    gate.expire(row)
    if row.row.status in CREATING and row.row.id not in row.draft.reasons:
        what = "readiness" if gate.checks_of(row.row.spec) else "an instance to be confirmed"
        row.reason(f"waits for {what}: {gate.told(row)}")


def _recover(row: RowDraft, live: int) -> None:
    """Out of an error: back to where it was; what never ran has the gate before it."""
    if row.row.was_running or gate.opens(row):
        _run(row, live)
    else:
        row.change(status=Status.CREATING)
        _start_up(row, live)


def _run(row: RowDraft, live: int) -> None:
    before = row.row.status
    row.change(status=Status.RUNNING, was_running=True)
    path = "creating → running" if before in CREATING else f"{before} → creating → running"
    row.event(
        Level.INFO,
        "state_transition",
        f"{path} with {live} live {'instance' if live == 1 else 'instances'}",
        SCHEDULER,
    )
    for entry in row.entries(Phase.SETTLING):
        instance = row.instances.get(entry.name)
        if instance is not None and instance.is_live and row.operation(entry.name) is None:
            row.move(entry, Phase.LIVE)
            row.draft.settle_at.pop(entry.name, None)


def _leave_crash_loop(row: RowDraft) -> None:
    """An attempt that lived long enough to be forgiven ends the state."""
    if row.row.status is Status.CRASH_LOOP_BACK_OFF and row.row.restart_count == 0:
        for entry in budget.attempts(row, Phase.LIVE):
            row.put(replace(entry, reason=None))
        _recover(row, len(row.entries(Phase.LIVE)))
        row.draft.wake(row.now.mono)


def _explain(row: RowDraft) -> None:
    """No row is left without a word."""
    if row.row.id in row.draft.reasons:
        return
    if row.row.halt_reason is not None:
        row.reason(f"nothing to do: {row.row.status}, {row.row.halt_reason}")
    else:
        live = len(row.entries(Phase.LIVE))
        row.reason(f"nothing to do: {live} of {row.row.target} instances live")


def _unreachable(draft: Draft, row: Deployment, runtime: RuntimeView | None) -> None:
    name = row.spec.runtime
    if runtime is None:
        text = f"The {name} runtime is not enabled on this server: enable it in config.toml"
    else:
        text = f"The {name} runtime does not answer: nothing is changed until it does"
    draft.reasons[row.id] = text
    tried = runtime is None or (isinstance(runtime.seen, Unknown) and runtime.seen.tried)
    if tried and row.id not in draft.unreachable:
        draft.unreachable.add(row.id)
        draft.events.append(EventDraft(row.id, Level.WARNING, "runtime_unavailable", text, name))


def _fold_orphaned(draft: Draft) -> None:
    """Outcomes of rows that were purged meanwhile mean nothing any more."""
    rows = {row.id for row in draft.view.rows}
    for outcome in draft.view.outcomes:
        if outcome.action.deployment_id not in rows:
            draft.folded.append(outcome.id)
