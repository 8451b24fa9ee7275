"""The audit log: who did what to which object."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from ring.clock import rfc3339

if TYPE_CHECKING:
    from ring.store.database import Transaction


class Target(NamedTuple):
    type: str
    name: str
    namespace: str | None = None


def record(tx: Transaction, user_id: str | None, action: str, target: Target) -> None:
    """Part of the transaction of what it records."""
    tx.run(
        "audit",
        "insert",
        {
            "id": tx.new_id(),
            "timestamp": rfc3339(tx.now),
            "user_id": user_id,
            "action": action,
            "target_type": target.type,
            "target_name": target.name,
            "namespace": target.namespace,
        },
    )
