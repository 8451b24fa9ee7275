"""Audit entries on the wire."""

from __future__ import annotations

from typing import TYPE_CHECKING

from typing_extensions import TypedDict

from ring.clock import rfc3339

if TYPE_CHECKING:
    from ring.store.store import AuditEntry


class AuditShape(TypedDict):
    id: str
    timestamp: str
    user_id: str | None
    action: str
    target_type: str
    target_name: str
    namespace: str | None


def audit(entry: AuditEntry) -> AuditShape:
    return {
        "id": entry.id,
        "timestamp": rfc3339(entry.timestamp),
        "user_id": entry.user_id,
        "action": entry.action,
        "target_type": entry.target_type,
        "target_name": entry.target_name,
        "namespace": entry.namespace,
    }
