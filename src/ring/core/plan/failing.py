"""A row that fails in the place of another one: what becomes of both, and who takes its place.

`rows` are those of the group as the plan leaves them so far.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ring.core.model.events import EventDraft, Level
from ring.core.model.ledger import Phase, Why
from ring.core.model.revision import Cause
from ring.core.model.status import Status
from ring.core.plan import scaling
from ring.core.plan.draft import SCHEDULER
from ring.core.plan.lineage import children_of, has_ended, parent_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ring.core.model.deployment import Deployment
    from ring.core.plan.draft import RowDraft


def end(child: RowDraft, rows: Sequence[Deployment], *, failed_now: bool) -> None:
    """A child that has failed, in this pass or before."""
    parent = parent_of(child.row, rows)
    if parent is None or parent.is_deleted:
        # It rolled no more, but failed as any row does.
        if failed_now:
            go_back(child)
        if parent is None:
            child.change(parent_id=None)
        return
    if failed_now:
        fail(child, parent)
    if child.row.id not in child.draft.reasons:
        child.reason("its rolling update has failed: mend the manifest and apply it again")


def fail(child: RowDraft, parent: Deployment) -> None:
    """Told once; the child is halted for good and stays to be looked at, the parent heals."""
    why = child.row.halt_reason or child.row.status.value
    child.event(
        Level.ERROR,
        "rolling_update_failed",
        f"The rolling update of {parent.id} has failed: {why}; the old instances go on",
        SCHEDULER,
        parent_id=parent.id,
    )
    for entry in child.entries(Phase.CREATING):
        scaling.give_up(child, entry, Why.FAILED_CREATE)
    if not child.row.is_deleted:
        halted = child.row.halt_reason or "the rolling update has failed"
        child.change(halt_reason=halted, next_create_at=None)
    if child.row.spec.auto_rollback and parent.was_running and not has_ended(parent):
        _give_back(child, parent, why)


def _give_back(child: RowDraft, parent: Deployment, why: str) -> None:
    """The parent never stopped serving: the child goes, and the parent is what there is."""
    child.change(status=Status.DELETED)
    child.draft.wake(child.now.mono)
    child.draft.events.append(
        EventDraft(
            parent.id,
            Level.WARNING,
            "rolled_back",
            f"Rolled back to revision {parent.revision}: "
            f"revision {child.row.revision} has failed ({why})",
            SCHEDULER,
        )
    )


def go_back(row: RowDraft) -> None:
    """A row that failed alone makes room for the last revision that was ready, if it may."""
    may = row.row.spec.auto_rollback and row.row.cause is not Cause.AUTO_ROLLBACK
    if not may or row.row.was_running or row.row.status in {Status.DELETED, Status.COMPLETED}:
        return
    row.draft.revert.append(row.row.id)
    row.draft.wake(row.now.mono)


def restore(parent: RowDraft, rows: Sequence[Deployment]) -> None:
    """A parent that nobody replaces any more heals back to its full strength."""
    if parent.row.drain_target is None or parent.row.is_deleted:
        return
    if all(has_ended(child) for child in children_of(parent.row, rows)):
        parent.change(drain_target=None)
        parent.reason("heals back to its full strength: nothing takes its place any more")
        parent.draft.wake(parent.now.mono)
