"""The outbound queue's entrance: events are queued in the transaction of what they tell."""

from __future__ import annotations

import logging
import sqlite3
from typing import TYPE_CHECKING

from ring.clock import rfc3339
from ring.core.webhooks.kinds import is_subscribed
from ring.store import webhooks
from ring.store.mirror import Queued

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ring.core.webhooks.notices import Notice
    from ring.store.database import Transaction
    from ring.store.webhooks import Webhook

_log = logging.getLogger(__name__)


def publish(tx: Transaction, notices: Sequence[Notice]) -> None:
    """One row for each, with a delivery for each hook that wants it now; with none it is done.

    Fails nothing: what cannot be queued is logged, and the rest of the transaction stands. Only a
    database that has rolled everything back fails it, as any other statement would.
    """
    if not notices:
        return
    try:
        tx.connection.execute("SAVEPOINT outbox")
        reached = _queue(tx, notices)
        tx.connection.execute("RELEASE outbox")
    except sqlite3.Error as error:
        if not tx.connection.in_transaction:
            raise
        tx.connection.execute("ROLLBACK TO outbox")
        tx.connection.execute("RELEASE outbox")
        _log.error("%d outbound events could not be queued: %s", len(notices), error)
        return
    if reached:
        tx.changes.append(Queued(frozenset(reached)))


def _queue(tx: Transaction, notices: Sequence[Notice]) -> set[str]:
    """The hooks something was queued for."""
    hooks = [webhooks.decode(row) for row in tx.all("webhooks", "active", {})]
    at = rfc3339(tx.now)
    reached: set[str] = set()
    for notice in notices:
        takers = [hook.id for hook in hooks if _wants(hook, notice)]
        event_id = tx.new_id()
        tx.run(
            "webhooks",
            "publish",
            {
                "id": event_id,
                "kind": notice.kind.value,
                "deployment_id": notice.deployment_id,
                "namespace": notice.namespace,
                "payload": notice.payload,
                "status": "pending" if takers else "delivered",
                "at": at,
            },
        )
        for taker in takers:
            tx.run("webhooks", "deliver_to", {"event_id": event_id, "webhook_id": taker, "at": at})
        reached.update(takers)
    return reached


def _wants(hook: Webhook, notice: Notice) -> bool:
    if hook.namespaces is None:  # damaged: nothing says any more what it may be told
        return False
    return is_subscribed(hook.events, notice.kind) and (
        not hook.namespaces or notice.namespace in hook.namespaces
    )
