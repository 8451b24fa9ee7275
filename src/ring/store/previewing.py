"""What an apply would do, and what is different: told from one snapshot, and nothing is written."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, assert_never

from ring.core import diffing
from ring.core.plan.decisions import Create, Replace, Roll, Scale, Unchanged
from ring.store import deployments, namespaces, weighing

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ring.core.diffing import Change
    from ring.core.model.deployment import Deployment
    from ring.core.model.ids import DeploymentId
    from ring.core.plan.decisions import Decision
    from ring.store.database import Transaction
    from ring.store.weighing import Request, Weighed


@dataclass(frozen=True, slots=True)
class Preview:
    action: Literal["create", "unchanged", "scale", "roll", "replace"]
    reason: str | None
    """Why it is replaced at once."""
    deployment_id: DeploymentId | None
    """The row that is compared with."""
    revision: int
    """That the row would have afterwards."""
    changes: tuple[Change, ...]


def preview(tx: Transaction, request: Request) -> Preview:
    """Of what `acceptance.accept` does with the same request. Raises Denied."""
    weighed = weighing.weigh(tx, request)
    row = weighed.active[-1] if weighed.active else None
    if row is None:
        namespaces.expect_makeable(tx, weighed.spec.namespace, request.author)
    return Preview(
        action=_action(weighed.decision),
        reason=weighed.decision.reason if isinstance(weighed.decision, Replace) else None,
        deployment_id=None if row is None else row.id,
        revision=_revision(tx, weighed),
        changes=tuple(_changes(weighed, row, request)),
    )


def _action(decision: Decision) -> Literal["create", "unchanged", "scale", "roll", "replace"]:
    match decision:
        case Create():
            return "create"
        case Unchanged():
            return "unchanged"
        case Scale():
            return "scale"
        case Roll():
            return "roll"
        case Replace():
            return "replace"
        case _:
            assert_never(decision)


def _revision(tx: Transaction, weighed: Weighed) -> int:
    match weighed.decision:
        case Unchanged(row):
            return row.revision
        case Scale(row) if row.spec.replicas == weighed.spec.replicas:
            return row.revision  # it only starts
        case _:
            return deployments.next_revision(tx, weighed.key)


def _changes(weighed: Weighed, row: Deployment | None, request: Request) -> Iterator[Change]:
    """What differs, and what else is the reason for what is done."""
    found = tuple(_differing(weighed, row, image_moved=request.image_moved))
    yield from found
    if row is None:
        return
    if row.stopped:
        yield diffing.started()
    is_new = isinstance(weighed.decision, Replace | Roll)
    if is_new and request.if_changed and not request.force and not found:
        yield diffing.made_anew(row.status)


def _differing(weighed: Weighed, row: Deployment | None, *, image_moved: bool) -> Iterator[Change]:
    if row is None:
        yield from diffing.changes(None, weighed.spec)
        return
    yield from diffing.changes(row.spec, weighed.spec)
    yield from diffing.renewed(row.spec, weighed.renewed)
    if weighed.is_new_password and row.password is not None and weighed.password is not None:
        yield diffing.new_password()
    if image_moved and row.spec.image == weighed.spec.image:
        yield diffing.moved_tag(row.spec)
