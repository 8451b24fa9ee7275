"""What one accepted manifest means for the rows that are there: decided inside the write."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ring.core.model.spec import fingerprint
from ring.core.model.status import CREATING, Status
from ring.core.plan.lineage import has_ended, parent_of

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
    """Another count, in place. A row that was stopped starts."""

    row: Deployment


@dataclass(frozen=True, slots=True)
class Replace:
    """Everything that is there ends before the new row begins."""

    rows: tuple[Deployment, ...]
    reason: str


@dataclass(frozen=True, slots=True)
class Roll:
    """The new row is the parent's child and takes its place bit by bit."""

    parent: Deployment
    superseded: tuple[Deployment, ...] = ()
    """Its children that were still on their way; they end."""
    ended: tuple[Deployment, ...] = ()
    """Its children that have failed before; they go too."""


Decision = Create | Unchanged | Scale | Replace | Roll

_SCALED_IN = CREATING | {Status.RUNNING}


def decide(
    new: DeploymentSpec,
    active: Sequence[Deployment],
    *,
    force: bool,
    if_changed: bool,
    image_moved: bool,
    inputs_changed: bool,
    network_shared: bool = False,
) -> Decision:
    """`active` are the rows of the group that are not deleted, oldest first.

    if_changed: leave a healthy row that says the same alone, or scale it. image_moved: its tag
    means another image by now, so it does not say the same. inputs_changed: nor does it where a
    secret or config of the newest row has changed since (core.references), or its registry
    password, of which the specs tell nothing. network_shared: another deployment lives on this
    one's network. force overrides all. A healthy row that is stopped is never unchanged.
    """
    if not active:
        return Create()
    newest = active[-1]
    has_moved_on = image_moved or inputs_changed
    says_the_same = not has_moved_on and fingerprint(newest.spec) == fingerprint(new)
    if if_changed and not force and says_the_same and _is_healthy(newest, active):
        is_same_count = newest.spec.replicas == new.replicas
        if newest.stopped and is_same_count and newest.status in _SCALED_IN:
            return Scale(newest)
        if is_same_count:
            return Unchanged(newest, manifest_differs=newest.spec.manifest != new.manifest)
        if newest.status in _SCALED_IN and len(active) == 1:
            return Scale(newest)
    roots, children = _sorted_out(active)
    reason = _obstacle(new, roots, force=force, network_shared=network_shared)
    if reason is not None:
        return Replace(tuple(active), reason)
    return Roll(
        roots[0],
        superseded=tuple(child for child in children if not has_ended(child)),
        ended=tuple(child for child in children if has_ended(child)),
    )


def _is_healthy(row: Deployment, active: Sequence[Deployment]) -> bool:
    """A row that has completed is halted for good and still what was asked for, unless it was to
    take the place of one that is still there."""
    if row.status is Status.COMPLETED:
        return parent_of(row, active) is None
    return row.status in _SCALED_IN and row.halt_reason is None


def _sorted_out(active: Sequence[Deployment]) -> tuple[list[Deployment], list[Deployment]]:
    """Roots and children; a child whose parent is gone stands for itself."""
    roots = [row for row in active if parent_of(row, active) is None]
    return roots, [row for row in active if row not in roots]


def _obstacle(
    new: DeploymentSpec, roots: Sequence[Deployment], *, force: bool, network_shared: bool
) -> str | None:
    """The phrase in the event that tells why the rows are replaced at once; None: they roll."""
    specs = [new, *(root.spec for root in roots)]
    tests = {
        "force=true": force,
        "job": any(spec.kind == "job" for spec in specs),
        "no health checks": not new.health_checks,
        "more than one active deployment": len(roots) != 1,
        "host port": any(spec.ports for spec in specs),
        "host network": new.network is not None and new.network.mode == "host",
        "volume mounted read-write": _writes_a_volume(new),
        "shared network": network_shared,
    }
    return next((reason for reason, is_met in tests.items() if is_met), None)


def _writes_a_volume(spec: DeploymentSpec) -> bool:
    """Old and new would write to it side by side."""
    return any(one.type == "volume" and one.permission != "ro" for one in spec.volumes)
