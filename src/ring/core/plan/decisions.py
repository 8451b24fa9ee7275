"""What one accepted manifest means for the rows that are there: decided inside the write."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ring.core.model.spec import canonical, fingerprint
from ring.core.model.status import CREATING, Status

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ring.core.model.deployment import Deployment
    from ring.core.model.spec import DeploymentSpec


@dataclass(frozen=True, slots=True)
class Create:
    """No active row: the first of its group."""


@dataclass(frozen=True, slots=True)
class Unchanged:
    row: Deployment
    manifest_differs: bool
    """Only the name of the applying manifest: stored on the same row."""


@dataclass(frozen=True, slots=True)
class Scale:
    row: Deployment


@dataclass(frozen=True, slots=True)
class Replace:
    rows: tuple[Deployment, ...]
    reason: str


Decision = Create | Unchanged | Scale | Replace

_UNCHANGED_IN = CREATING | {Status.RUNNING, Status.COMPLETED}
_SCALED_IN = CREATING | {Status.RUNNING}


def decide(
    new: DeploymentSpec,
    active: Sequence[Deployment],
    *,
    force: bool,
    if_changed: bool,
    image_moved: bool,
) -> Decision:
    """manifest.md 8: `active` are the rows of the group that are not deleted, oldest first."""
    if not active:
        return Create()
    newest = active[-1]
    if (
        if_changed
        and not force
        and not image_moved
        and fingerprint(newest.spec) == fingerprint(new)
    ):
        if newest.spec.replicas == new.replicas and newest.status in _UNCHANGED_IN:
            return Unchanged(newest, canonical(newest.spec) != canonical(new))
        if newest.spec.replicas != new.replicas and newest.status in _SCALED_IN:
            return Scale(newest)
    reason = "force=true" if force else "no health checks"
    return Replace(tuple(active), reason)
