"""What belongs to nothing any more, on the wire."""

from __future__ import annotations

from typing import TYPE_CHECKING

from typing_extensions import TypedDict

from ring.api.wire.base import Body, Texts

if TYPE_CHECKING:
    from ring.core.orphans import Orphan
    from ring.engine.keeping.orphans import Cleared


class OrphanRemovalBody(Body):
    ids: Texts | None = None
    """Which; absent: all that may be removed."""


class OrphanShape(TypedDict):
    id: str
    kind: str
    name: str
    runtime: str | None
    why: str
    removable: bool
    kept_because: str | None


class OrphanFailureShape(TypedDict):
    id: str
    kind: str
    name: str
    reason: str


class OrphansRemovedShape(TypedDict):
    removed: list[OrphanShape]
    failed: list[OrphanFailureShape]
    more: bool


def orphan(found: Orphan) -> OrphanShape:
    return {
        "id": found.id,
        "kind": found.kind.value,
        "name": found.name,
        "runtime": found.runtime,
        "why": found.why,
        "removable": found.kept is None,
        "kept_because": found.kept,
    }


def orphans_removed(cleared: Cleared) -> OrphansRemovedShape:
    return {
        "removed": [orphan(each) for each in cleared.removed],
        "failed": [
            {"id": each.id, "kind": each.kind.value, "name": each.name, "reason": reason}
            for each, reason in cleared.failed
        ],
        "more": not cleared.is_done,
    }
