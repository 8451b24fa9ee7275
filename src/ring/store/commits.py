"""A plan made durable: all of it, or none because the world it starts from is gone."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from ring.core.model.operations import StartInstance
from ring.core.webhooks import notices
from ring.store import deployments, events, ledger, outbox, reverting, revisions

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from ring.core.model.deployment import Deployment
    from ring.core.model.ids import DeploymentId
    from ring.core.plan.view import Plan, RowChange
    from ring.store.database import Transaction
    from ring.store.deployments import Stored


def needs_check(plan: Plan) -> bool:
    """Whether the database has anything to say to it."""
    return plan.writes or any(isinstance(action, StartInstance) for action in plan.actions)


def commit(tx: Transaction, plan: Plan) -> bool:
    """False: stale, nothing written."""
    stored = {
        deployment_id: deployments.stored(tx, deployment_id) for deployment_id in _concerned(plan)
    }
    if not _is_current(plan, stored):
        return False
    for change in plan.rows:
        _update(tx, change, stored[change.before.id])
    for name in plan.drop_entries:
        ledger.drop(tx, name)
    for entry in plan.put_entries:
        ledger.put(tx, entry)
    told = events.add(tx, plan.events)
    outbox.publish(tx, notices.of_plan(plan, told))
    for row in plan.purge:
        deployments.purge(tx, row)
    for deployment_id in plan.revert:
        reverting.revert(tx, deployment_id)
    return True


def _concerned(plan: Plan) -> set[DeploymentId]:
    return {
        *(row.id for row in plan.based_on),
        *(change.before.id for change in plan.rows),
        *(row.id for row in plan.purge),
        *(entry.deployment_id for entry in plan.put_entries),
        *_started(plan),
    }


def _started(plan: Plan) -> set[DeploymentId]:
    return {action.deployment_id for action in plan.actions if isinstance(action, StartInstance)}


def _known(plan: Plan) -> Iterator[Deployment]:
    yield from plan.based_on
    yield from (change.before for change in plan.rows)
    yield from plan.purge


def _is_current(plan: Plan, stored: Mapping[DeploymentId, Stored | None]) -> bool:
    """Every row is there and as the plan knew it; those it starts something for are alive."""
    known = {row.id: row.version for row in _known(plan)}
    started = _started(plan)
    return all(
        row is not None
        and row.version == known.get(deployment_id, row.version)
        and not (row.is_deleted and deployment_id in started)
        for deployment_id, row in stored.items()
    )


def _update(tx: Transaction, change: RowChange, stored: Stored | None) -> None:
    """Events are stamped without a new version: the plan's own row may be behind."""
    stamp = None if stored is None else stored.last_event_at
    row = deployments.update(
        tx, replace(change.after, version=change.before.version, last_event_at=stamp)
    )
    if row.was_running and not change.before.was_running and not row.stopped:
        revisions.mark_ready(tx, row)
