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
from ring.core.model.status import CREATING, RETRIED, Status
from ring.core.plan import attaching, budget, deaths, outcomes, removal, scaling
from ring.core.plan.draft import SCHEDULER, Draft, RowDraft

if TYPE_CHECKING:
    from ring.core.model.deployment import Deployment
    from ring.core.plan.view import NameSource, Now, Plan, RuntimeView, View


def plan(view: View, now: Now, names: NameSource) -> Plan:
    """What to write and then to do for one group. Reads nothing but its arguments."""
    draft = Draft(view, now, names)
    for row in view.rows:
        runtime = view.runtimes.get(row.spec.runtime)
        if runtime is None or isinstance(runtime.seen, Unknown):
            _unreachable(draft, row, runtime)
            continue
        draft.unreachable.discard(row.id)
        work = RowDraft(draft, row, runtime.seen)
        outcomes.fold(work)
        if row.is_deleted:
            removal.tear_down(work)
        else:
            _supervise(work)
        work.close()
    _fold_orphaned(draft)
    return draft.finish()


def _supervise(row: RowDraft) -> None:
    deaths.adopt(row)
    deaths.judge_ends(row)
    budget.spend(row)
    scaling.compare(row)
    scaling.settle(row)
    attaching.reattach(row)
    _settle_status(row)
    budget.forgive(row)
    _leave_crash_loop(row)
    row.remove_marked()


def _settle_status(row: RowDraft) -> None:
    """The status that the instances justify now."""
    status = row.row.status
    live = len(row.entries(Phase.LIVE))
    if row.row.halt_reason is not None:
        return
    if row.row.retired_count and row.row.target == 0 and not row.entries(*scaling.PRESENT):
        if status is not Status.COMPLETED:
            row.change(status=Status.COMPLETED, next_create_at=None)
        return
    if status is Status.CRASH_LOOP_BACK_OFF:
        return
    nothing_wanted = row.row.target == 0 and not row.entries(*scaling.PRESENT)
    if status in CREATING:
        if live or nothing_wanted:
            _run(row, live)
    elif status in RETRIED or status is Status.INSUFFICIENT_RESOURCES:
        whole = live >= row.row.target and not row.failed
        if whole or (row.promoted and live):
            _run(row, live)


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
        _run(row, len(row.entries(Phase.LIVE)))
        row.draft.wake(row.now.mono)


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
