"""The end of a row: everything it has is removed, then the row itself is purged."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ring.core.model.events import Level
from ring.core.model.ledger import Entry, Phase, Why
from ring.core.plan.draft import SCHEDULER

if TYPE_CHECKING:
    from ring.core.plan.draft import RowDraft


def tear_down(row: RowDraft) -> None:
    """Never waits for a backoff, a halt or anything that cannot be resolved."""
    since = row.draft.deleted_since.setdefault(row.row.id, row.now.mono)
    marked = _mark(row)
    if marked:
        row.event(
            Level.INFO,
            "container_deletion",
            f"Removing {marked} {'instance' if marked == 1 else 'instances'} "
            f"of {row.row.spec.kind} '{row.row.spec.name}'",
        )
    row.remove_marked()
    if row.entries() or row.instances or _busy(row):
        row.draft.empty_since.pop(row.row.id, None)
        row.reason("its instances are being removed")
        return
    _purge(row, since)


def _mark(row: RowDraft) -> int:
    """Marks what is not marked yet; how many those are."""
    marked = 0
    for entry in row.entries(Phase.CREATING):
        row.cancel_start(entry, Why.DELETE)
        marked += 1
    kept = [entry for entry in row.entries(Phase.COUNTED) if entry.reason is Why.KEPT]
    for entry in (*row.entries(Phase.SETTLING, Phase.LIVE), *kept):
        row.move(entry, Phase.STOPPING, Why.DELETE)
        marked += 1
    for name, instance in row.instances.items():
        if row.entry(name) is None and row.operation(name) is None:
            row.put(Entry(name, row.row.id, instance.id, Phase.STOPPING, row.now.wall, Why.DELETE))
            marked += 1
    return marked


def _busy(row: RowDraft) -> bool:
    return any(
        operation.action.deployment_id == row.row.id for operation in row.draft.view.operations
    )


def _purge(row: RowDraft, deleted_since: float) -> None:
    """Once a listing newer than the last removal shows nothing, and pollers could see the end."""
    empty = row.draft.empty_since.get(row.row.id)
    if empty is None:
        empty = row.draft.empty_since[row.row.id] = row.now.mono
        row.event(
            Level.INFO, "cleanup_scheduled", "Nothing is left; the row is purged next", SCHEDULER
        )
    visible_until = deleted_since + row.limits.deleted_visible_s
    if row.now.mono < visible_until:
        row.draft.wake(visible_until)
        row.reason("purged soon")
    elif row.seen.taken_at <= empty:
        row.draft.refresh.add(row.runtime)
        row.reason("purged once the runtime confirms that nothing is left")
    else:
        row.draft.purge.append(row.row)
