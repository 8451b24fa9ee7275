"""The restart budget of a row: counting, waiting, giving up, trying again, forgiving."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from ring.core.model.events import Level
from ring.core.model.ledger import Phase, Why
from ring.core.model.status import CREATING, FINAL, Status
from ring.core.plan import restart
from ring.core.plan.draft import SCHEDULER
from ring.core.plan.lineage import parent_of
from ring.core.plan.window import window_s

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ring.core.model.ledger import Entry
    from ring.core.plan.draft import RowDraft


def count(row: RowDraft) -> None:
    """One failure more: the next create waits its backoff, in a crash loop the slow retry."""
    failures = row.row.restart_count + 1
    row.change(restart_count=failures)
    row.failed = True
    if row.row.status is Status.CRASH_LOOP_BACK_OFF:
        _wait_slowly(row)
        return
    _wait(row, _backoff_s(row))


def _backoff_s(row: RowDraft) -> float:
    return max(restart.backoff_s(row.row.restart_count), row.asked_s)


def outlook(row: RowDraft) -> str:
    """For the message of a failure that was just counted: how often, and what comes next."""
    failures, limit = row.row.restart_count, restart.budget(row.row.target)
    if row.row.status is Status.CRASH_LOOP_BACK_OFF:
        retry_s = row.limits.crash_loop_retry_s
        if retry_s is None:
            return f"{failures}; no further attempt"
        return f"{failures}; next attempt in {max(retry_s, row.asked_s):g} s"
    told = f"{failures} of {limit}"
    if row.row.halt_reason is not None or (failures >= limit and row.row.target):
        return told
    wait_s = _backoff_s(row)
    return f"{told}; next attempt " + (f"in {wait_s:g} s" if wait_s else "at once")


def counts(row: RowDraft, entry: Entry) -> bool:
    """Whether the death of this instance costs anything.

    A halted row is only reaped; a crash loop counts its attempts alone.
    """
    if row.row.halt_reason is not None:
        return False
    return row.row.status is not Status.CRASH_LOOP_BACK_OFF or entry.reason is Why.ATTEMPT


def attempts(row: RowDraft, *phases: Phase) -> list[Entry]:
    """The crash loop's attempt, if it is in one of these phases."""
    return [entry for entry in row.entries(*phases) if entry.reason is Why.ATTEMPT]


def restarted(row: RowDraft, entries: Sequence[Entry]) -> None:
    """Health checks end these instances: together one restart more without a healthy while.

    A worker pays with a wait alone, a job, which has to begin anew, with a failure.
    """
    row.draft.healthy_since.pop(row.row.id, None)
    if row.row.is_job:
        count(row)
        return
    restarts = row.row.health_restarts + 1
    row.change(health_restarts=restarts)
    if row.row.status is Status.CRASH_LOOP_BACK_OFF:
        if any(entry.reason is Why.ATTEMPT for entry in entries):
            _wait_slowly(row)
        return
    wait_s = restart.backoff_s(restarts)
    if row.now.mono + wait_s > due_at(row):
        _wait(row, wait_s)


def _wait(row: RowDraft, wait_s: float) -> None:
    if wait_s <= 0:
        row.change(next_create_at=None)
        return
    at = row.now.wall + timedelta(seconds=wait_s)
    row.change(next_create_at=at)
    row.draft.due[row.row.id] = (at, row.now.mono + wait_s)


def _wait_slowly(row: RowDraft) -> None:
    retry_s = row.limits.crash_loop_retry_s
    if retry_s is None:
        row.change(halt_reason="the restart budget is spent", next_create_at=None)
    else:
        _wait(row, max(retry_s, row.asked_s, 0.001))


def due_at(row: RowDraft) -> float:
    """Monotonic time of the next create that the persisted wait allows.

    The wait is read once: a wall clock that jumps delays by the longest wait at most.
    """
    at = row.row.next_create_at
    if at is None:
        return row.now.mono
    known = row.draft.due.get(row.row.id)
    if known is not None and known[0] == at:
        return known[1]
    longest = restart.BACKOFF_LONGEST_S
    if row.row.status is Status.CRASH_LOOP_BACK_OFF:
        longest = row.limits.crash_loop_retry_s or 0.0
    wait_s = min(max((at - row.now.wall).total_seconds(), 0.0), longest)
    row.draft.due[row.row.id] = (at, row.now.mono + wait_s)
    return row.now.mono + wait_s


def is_due(row: RowDraft) -> bool:
    return due_at(row) <= row.now.mono


def spend(row: RowDraft) -> None:
    """A row whose budget is spent goes into its crash loop, in the pass that spent it."""
    status = row.row.status
    if row.row.halt_reason or status in FINAL or status is Status.CRASH_LOOP_BACK_OFF:
        return
    limit = restart.budget(row.row.target)
    grown = row.row.restart_count > row.before.restart_count
    if not grown or row.row.restart_count < limit or row.row.target == 0:
        return  # a smaller target alone spends nothing, and where nothing is wanted nothing loops
    row.change(status=Status.CRASH_LOOP_BACK_OFF)
    retry_s = row.limits.crash_loop_retry_s
    _wait_slowly(row)
    after = "no further attempt is made"
    if retry_s is not None and not _is_rolled(row):
        after = f"next attempt in {max(retry_s, row.asked_s):g} s"
    row.event(
        Level.ERROR,
        "restart_limit_reached",
        f"{row.row.restart_count} failures without a healthy while in between "
        f"(budget {limit}): {after}; apply again to start over",
        SCHEDULER,
    )
    for entry in row.entries(Phase.CREATING):
        row.cancel_start(entry, Why.FAILED_CREATE)


def _is_rolled(row: RowDraft) -> bool:
    """Its rolling update fails with it, and halts it."""
    parent = parent_of(row.row, row.draft.view.rows)
    return parent is not None and not parent.is_deleted


def forgive(row: RowDraft) -> None:
    """Past failures are forgotten once the row was whole for a while."""
    if not row.row.restart_count and not row.row.health_restarts:
        row.draft.healthy_since.pop(row.row.id, None)
        return
    if row.failed or not _is_whole(row):
        row.draft.healthy_since.pop(row.row.id, None)
        return
    since = row.draft.healthy_since.setdefault(row.row.id, row.now.mono)
    limits = row.limits
    healthy_s = max(window_s(row.row, limits.forgive_after_s), limits.forgive_floor_s)
    end = since + healthy_s
    if row.now.mono < end:
        row.draft.wake(end)
        return
    failures, restarts = row.row.restart_count, 0 if _answers(row) else row.row.health_restarts
    if restarts and not failures:
        return  # until what its checks say is news
    if not restarts:
        row.draft.healthy_since.pop(row.row.id, None)
    row.change(
        restart_count=0, health_restarts=restarts, next_create_at=None, counted_death_at=None
    )
    if failures:
        row.event(
            Level.INFO,
            "restart_count_reset",
            f"Healthy for {healthy_s:g} s: {failures} earlier failures are forgotten",
            SCHEDULER,
        )


def _answers(row: RowDraft) -> bool:
    """Every check that would restart an instance passes on each of them.

    Without that the window alone would forgive: one of zero before the first probe.
    """
    checks = row.row.spec.health_checks
    asked = [index for index, check in enumerate(checks) if check.on_failure == "restart"]
    states = [
        row.draft.view.checks.get(entry.instance_id, {}) if entry.instance_id is not None else {}
        for entry in row.entries(Phase.LIVE)
    ]
    return all(index in of and of[index].is_green for of in states for index in asked)


def _is_whole(row: RowDraft) -> bool:
    live = len(row.entries(Phase.LIVE))
    status = row.row.status
    if row.row.halt_reason is not None:
        return False
    if status is Status.CRASH_LOOP_BACK_OFF:
        settled = not row.entries(Phase.CREATING, Phase.SETTLING)
        return settled and (bool(attempts(row, Phase.LIVE)) or live >= row.row.target >= 1)
    if status is not Status.RUNNING and status not in CREATING:
        return False
    return live >= row.row.target >= 1 and is_due(row)
