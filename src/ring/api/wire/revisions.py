"""What a deployment was and what would become of it: revisions, differences, and why."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import JsonValue  # noqa: TC002 - pydantic reads the annotations at run time
from typing_extensions import TypedDict

from ring.api.wire.base import moment
from ring.clock import rfc3339
from ring.core import diffing

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ring.core.model.deployment import Deployment
    from ring.core.plan.explaining import Explained
    from ring.store.previewing import Preview
    from ring.store.revisions import Kept


class ChangeShape(TypedDict):
    """`before` and `after` are null where there is nothing; equal where only that has changed to
    which they refer."""

    path: str
    before: JsonValue
    after: JsonValue


class RevisionShape(TypedDict):
    revision: int
    deployment_id: str
    created_at: str
    author: str | None
    cause: Literal["apply", "scale", "restart", "rollback", "auto_rollback"]
    ready_at: str | None
    current: bool
    image: str
    replicas: int
    changes: list[ChangeShape] | None


class DiffShape(TypedDict):
    action: Literal["create", "unchanged", "scale", "roll", "replace"]
    reason: str | None
    deployment_id: str | None
    revision: int
    changes: list[ChangeShape]
    warnings: list[str]


class RowReasonShape(TypedDict):
    id: str
    revision: int
    status: str
    target: int
    live: int
    ready: int
    role: Literal["current", "parent", "child"]
    reason: str


class WhyShape(TypedDict):
    deployment_id: str
    status: str
    state: Literal["ready", "progressing", "stopped", "completed", "failed", "waiting"]
    summary: str
    decided_at: str | None
    rows: list[RowReasonShape]


def revisions(kept: Sequence[Kept], current: int | None) -> list[RevisionShape]:
    """Newest first. `current` is the number of the newest row that is not being deleted."""
    by_number = {each.revision.number: each.revision for each in kept}
    shapes: list[RevisionShape] = []
    for revision, username in kept:
        before = by_number.get(revision.number - 1)
        shapes.append(
            {
                "revision": revision.number,
                "deployment_id": revision.deployment_id,
                "created_at": rfc3339(revision.created_at),
                "author": username,
                "cause": revision.cause.value,
                "ready_at": moment(revision.ready_at),
                "current": revision.number == current,
                "image": revision.spec.image,
                "replicas": revision.spec.replicas,
                "changes": None
                if before is None
                else _changes(diffing.changes(before.spec, revision.spec)),
            }
        )
    return shapes


def diff(preview: Preview, warnings: Sequence[str]) -> DiffShape:
    return {
        "action": preview.action,
        "reason": preview.reason,
        "deployment_id": preview.deployment_id,
        "revision": preview.revision,
        "changes": _changes(preview.changes),
        "warnings": list(warnings),
    }


def why(row: Deployment, explained: Explained) -> WhyShape:
    return {
        "deployment_id": row.id,
        "status": row.status,
        "state": explained.state.value,
        "summary": explained.summary,
        "decided_at": moment(explained.decided_at),
        "rows": [
            {
                "id": each.row.id,
                "revision": each.row.revision,
                "status": each.row.status,
                "target": 0 if each.row.is_deleted else each.row.target,
                "live": each.live,
                "ready": each.ready,
                "role": each.role,
                "reason": each.reason,
            }
            for each in explained.rows
        ],
    }


def _changes(changes: Sequence[diffing.Change]) -> list[ChangeShape]:
    return [{"path": each.path, "before": each.before, "after": each.after} for each in changes]
