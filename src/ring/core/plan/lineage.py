"""Which row of a group replaces which, and which of them is out of the race."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ring.core.model.status import Status

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ring.core.model.deployment import Deployment


def has_ended(row: Deployment) -> bool:
    """It will not come up to its target by itself any more, however long one waits."""
    final = {Status.FAILED, Status.COMPLETED, Status.CRASH_LOOP_BACK_OFF, Status.DELETED}
    return row.halt_reason is not None or row.status in final


def parent_of(row: Deployment, rows: Iterable[Deployment]) -> Deployment | None:
    """The row that it replaces bit by bit; None for a root, also where the parent is gone."""
    if row.parent_id is None:
        return None
    return next((other for other in rows if other.id == row.parent_id), None)


def children_of(row: Deployment, rows: Iterable[Deployment]) -> list[Deployment]:
    """Oldest first, as the rows are."""
    return [other for other in rows if other.parent_id == row.id]
