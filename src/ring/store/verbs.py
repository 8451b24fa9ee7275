"""What is done with a deployment that is there: restart, scale, stop, start, go back.

Each is one transaction on the rows as they are then. A new row takes the way of an apply, and
keeps the rules as they are now: what an older server took, or what another count makes wrong, is
refused before anything is given up for it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from ring.core.checking import check
from ring.core.errors import Conflict, Invalid, NotFound
from ring.core.model.events import Level
from ring.core.model.revision import Cause
from ring.core.model.spec import canonical
from ring.core.plan.decisions import Create, Replace, Roll, Scale, Unchanged, decide
from ring.core.plan.lineage import children_of, has_ended, parent_of
from ring.store import acceptance, deployments, events, revisions, weighing
from ring.store.records import Accepted
from ring.store.specs import UNREADABLE

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ring.core.model.capabilities import Capabilities
    from ring.core.model.deployment import Deployment
    from ring.core.model.events import EventDraft
    from ring.core.model.ids import DeploymentId
    from ring.core.model.revision import Revision
    from ring.core.model.spec import DeploymentSpec
    from ring.store.database import Transaction
    from ring.store.records import Author


@dataclass(frozen=True, slots=True)
class Ask:
    """Who wants it, of which row, and why."""

    deployment_id: DeploymentId
    author: Author
    username: str
    reason: str | None
    capabilities: Mapping[str, Capabilities]
    """Of the runtimes that a new row can run on."""


def restart(tx: Transaction, ask: Ask) -> Accepted:
    """A new row of the same spec. Raises NotFound, Conflict, Invalid."""
    row = _leading(tx, ask)
    made = _renew(tx, ask, row, row.spec, sealed=row.password, cause=Cause.RESTART)
    told = acceptance.event(made, Level.INFO, "restarted", f"Restarted{_by(ask)}")
    return _done(tx, ask, made, told, verb="restart")


def scale(tx: Transaction, ask: Ask, replicas: int) -> Accepted:
    """Another count: on the row itself where it is healthy and alone, else on a new one.

    What is stopped starts. Raises NotFound, Conflict, Invalid.
    """
    row = _leading(tx, ask)
    _expect_worker(row, "a job runs once: it cannot be scaled")
    if row.spec.autoscale is not None:
        raise Conflict(
            f"'{row.spec.name}' is autoscaled: change min and max of its autoscale policy instead"
        )
    if row.spec.replicas == replicas and not row.stopped:
        return Accepted(row, "unchanged")
    spec = row.spec.model_copy(update={"replicas": replicas})
    decision = decide(
        spec,
        deployments.active(tx, row.key),
        force=False,
        if_changed=True,
        image_moved=False,
        inputs_changed=False,
        network_shared=weighing.is_network_shared(tx, row),
    )
    match decision:
        case Unchanged():
            return Accepted(row, "unchanged")
        case Scale(found):
            if replicas > found.spec.replicas:  # fewer break no rule
                _expect_valid(ask, spec)
            return acceptance.scale(tx, found, spec, ask.author, _by(ask))
        case Create() | Replace() | Roll():
            _expect_valid(ask, spec)
            made = acceptance.create(
                tx, decision, spec, ask.author, row.password, cause=Cause.SCALE
            )
            what = f"Scaled from {row.spec.replicas} to {replicas} replicas{_by(ask)}"
            told = acceptance.event(made, Level.INFO, "scaled", what)
            return _done(tx, ask, made, told, verb="scale")


def stop(tx: Transaction, ask: Ask) -> Accepted:
    """Nothing of the group is to run, and its rows stay. Raises NotFound, Conflict."""
    row = _alive(tx, ask)
    _expect_worker(row, "a job cannot be stopped and started: delete it")
    return _switch(tx, ask, row, stopped=True)


def start(tx: Transaction, ask: Ask) -> Accepted:
    """What was stopped is to run again. Raises NotFound, Conflict."""
    return _switch(tx, ask, _alive(tx, ask), stopped=False)


def roll_back(tx: Transaction, ask: Ask, to: int | None) -> Accepted:
    """To what a revision was; None: to the last before this one that was ready and differs.

    Where the row that a rollout replaces is still there, the rollout is given up in its favour.
    Raises NotFound, Conflict, Invalid.
    """
    row = _alive(tx, ask)
    active = deployments.active(tx, row.key)
    newest = active[-1]
    parent = parent_of(newest, active)
    wanted = _wanted(tx, newest, parent, to)
    what = f"Rolled back to revision {wanted.number}{_by(ask)}"
    if parent is not None and wanted.number == parent.revision:
        for child in children_of(parent, active):
            acceptance.end(tx, child)
        kept = deployments.update(tx, parent)
        told = acceptance.event(kept, Level.WARNING, "rolled_back", what)
        return _done(tx, ask, kept, told, "switched", verb="rollback")
    if wanted.number == newest.revision:
        raise Conflict(f"revision {wanted.number} is the current one")
    spec = revisions.remade(wanted, newest)
    made = _renew(tx, ask, newest, spec, sealed=wanted.password, cause=Cause.ROLLBACK)
    told = acceptance.event(made, Level.WARNING, "rolled_back", what)
    return _done(tx, ask, made, told, verb="rollback")


def _wanted(
    tx: Transaction, newest: Deployment, parent: Deployment | None, to: int | None
) -> Revision:
    """Raises NotFound, Conflict."""
    if to is not None:
        found = revisions.find(tx, newest.key, to)
        if found is None:
            raise NotFound(f"revision {to} of '{newest.spec.name}' is not kept")
        return found
    before = None
    if parent is not None:
        before = revisions.find(tx, newest.key, parent.revision)
        if before is not None and before.ready_at is None:
            before = None
    before = before or revisions.last_good(tx, newest)
    if before is None:
        raise Conflict(
            f"there is nothing to go back to: no kept revision of '{newest.spec.name}' before "
            f"{newest.revision} was ready and differs from it"
        )
    return before


def _switch(tx: Transaction, ask: Ask, row: Deployment, *, stopped: bool) -> Accepted:
    """The count of those that have ended by themselves starts over with it."""
    other = [each for each in deployments.active(tx, row.key) if each.stopped is not stopped]
    if not other:
        return Accepted(row, "unchanged")
    for each in other:
        changed = deployments.update(tx, replace(each, stopped=stopped, retired_count=0))
        if stopped:
            told = acceptance.event(changed, Level.INFO, "stopped", f"Stopped{_by(ask)}")
        else:
            told = acceptance.event(changed, Level.INFO, "started", f"Started{_by(ask)}")
        events.add(tx, [told])
        if changed.id == row.id:
            row = replace(changed, last_event_at=tx.now)
    acceptance.record(tx, row, ask.author, "stop" if stopped else "start")
    return Accepted(row, "switched")


def _renew(
    tx: Transaction,
    ask: Ask,
    row: Deployment,
    spec: DeploymentSpec,
    *,
    sealed: bytes | None,
    cause: Cause,
) -> Deployment:
    """A new row in the place of this one, rolled where it can be. Raises Conflict, Invalid."""
    _expect_valid(ask, spec)
    decision = decide(
        spec,
        deployments.active(tx, row.key),
        force=False,
        if_changed=False,
        image_moved=False,
        inputs_changed=False,
        network_shared=weighing.is_network_shared(tx, row),
    )
    if isinstance(decision, Unchanged | Scale):
        raise AssertionError("a new row was asked for")
    return acceptance.create(tx, decision, spec, ask.author, sealed, cause=cause)


def _done(
    tx: Transaction,
    ask: Ask,
    row: Deployment,
    told: EventDraft,
    change: Literal["created", "switched"] = "created",
    *,
    verb: str,
) -> Accepted:
    events.add(tx, [told])
    acceptance.record(tx, row, ask.author, verb)
    return Accepted(replace(row, last_event_at=tx.now), change)


def _by(ask: Ask) -> str:
    return f" by {ask.username}: {ask.reason}" if ask.reason else f" by {ask.username}"


def _alive(tx: Transaction, ask: Ask) -> Deployment:
    """Raises NotFound, and Conflict for a row that is on its way out."""
    row = deployments.by_id(tx, ask.deployment_id)
    if row is None:
        raise NotFound("Deployment not found")
    if row.is_deleted:
        active = deployments.active(tx, row.key)
        hint = f"; {active[-1].id} has taken its place" if active else ""
        raise Conflict(f"deployment {row.id} ('{row.spec.name}') is being deleted{hint}")
    return row


def _leading(tx: Transaction, ask: Ask) -> Deployment:
    """The same, and not one that a rollout in progress is about to replace, or whose spec is only
    what damage has left of it."""
    row = _alive(tx, ask)
    if row.halt_reason == UNREADABLE:
        raise Conflict(UNREADABLE)
    active = deployments.active(tx, row.key)
    child = next((each for each in children_of(row, active) if not has_ended(each)), None)
    if child is not None:
        raise Conflict(
            f"a rolling update is replacing this row by {child.id}: act on that one, or roll back"
        )
    return row


def _expect_valid(ask: Ask, spec: DeploymentSpec) -> None:
    """As an apply does: what runs is not given up for what cannot."""
    if spec.runtime not in ask.capabilities:
        raise Conflict(f"the {spec.runtime} runtime is not enabled on this server")
    if violations := check(canonical(spec), ask.capabilities).violations:
        raise Invalid(violations)


def _expect_worker(row: Deployment, why: str) -> None:
    if row.is_job:
        raise Conflict(why)
