"""Namespaces on the wire."""

from __future__ import annotations

from typing import TYPE_CHECKING

from typing_extensions import TypedDict

from ring.api.wire.base import Body, moment
from ring.clock import rfc3339

if TYPE_CHECKING:
    from ring.store.store import Namespace


class NamespaceBody(Body):
    name: str
    network: object = None


class NamespaceShape(TypedDict):
    id: str
    created_at: str
    updated_at: str | None
    name: str


def namespace(row: Namespace) -> NamespaceShape:
    return {
        "id": row.id,
        "created_at": rfc3339(row.created_at),
        "updated_at": moment(row.updated_at),
        "name": row.name,
    }
