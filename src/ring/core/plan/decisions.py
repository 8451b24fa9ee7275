"""What one accepted manifest means for the rows that are there: decided inside the write."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ring.core.model.spec import fingerprint
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

_SCALED_IN = CREATING | {Status.RUNNING}


def decide(
    new: DeploymentSpec,
    active: Sequence[Deployment],
    *,
    force: bool,
    if_changed: bool,
    image_moved: bool,
    inputs_changed: bool,
) -> Decision:
    """`active` are the rows of the group that are not deleted, oldest first.

    if_changed: leave a healthy row that says the same alone, or scale it. image_moved: its tag
    means another image by now, so it does not say the same. inputs_changed: nor does it where a
    secret or config of the newest row has changed since (core.references), or its registry
    password, of which the specs tell nothing. force overrides all.
    """
    if not active:
        return Create()
    newest = active[-1]
    has_moved_on = image_moved or inputs_changed
    says_the_same = not has_moved_on and fingerprint(newest.spec) == fingerprint(new)
    if if_changed and not force and says_the_same and _is_healthy(newest):
        if newest.spec.replicas == new.replicas:
            return Unchanged(newest, manifest_differs=newest.spec.manifest != new.manifest)
        if newest.status in _SCALED_IN and len(active) == 1:
            return Scale(newest)
    return Replace(tuple(active), _reason(new, newest, force=force))


def _is_healthy(row: Deployment) -> bool:
    """A row that has completed is halted for good and still what was asked for."""
    if row.status is Status.COMPLETED:
        return True
    return row.status in _SCALED_IN and row.halt_reason is None


def _reason(new: DeploymentSpec, newest: Deployment, *, force: bool) -> str:
    """The phrase in the event that tells why the rows are replaced at once."""
    if force:
        return "force=true"
    if "job" in (new.kind, newest.spec.kind):
        return "job"
    return "no health checks"
