"""The engine's own rollback: a row that failed alone gives way to what was ready before it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ring.core.model.events import EventDraft, Level
from ring.core.model.revision import Cause
from ring.core.plan.decisions import Replace
from ring.core.plan.draft import SCHEDULER
from ring.store import acceptance, deployments, events, revisions
from ring.store.records import Author

if TYPE_CHECKING:
    from ring.core.model.ids import DeploymentId
    from ring.store.database import Transaction

_ENGINE = Author(None, may_create_namespace=True)


def revert(tx: Transaction, deployment_id: DeploymentId) -> None:
    """Makes a row of the last good revision in place of all others; nothing where there is none,
    or where something newer was asked for meanwhile."""
    failed = deployments.by_id(tx, deployment_id)
    if failed is None or failed.is_deleted:
        return
    active = deployments.active(tx, failed.key)
    good = revisions.last_good(tx, failed)
    if good is None or active[-1].id != failed.id:
        return
    why = f"revision {failed.revision} has failed ({failed.halt_reason or failed.status})"
    decision = Replace(active, why)
    spec = revisions.remade(good, failed)
    row = acceptance.create(tx, decision, spec, _ENGINE, good.password, cause=Cause.AUTO_ROLLBACK)
    message = f"Rolled back to revision {good.number}: {why}"
    events.add(tx, [EventDraft(row.id, Level.WARNING, "rolled_back", message, SCHEDULER)])
