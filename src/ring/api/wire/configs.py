"""Configs on the wire."""

from __future__ import annotations

from typing import TYPE_CHECKING

from typing_extensions import TypedDict

from ring.api.wire.base import Body, moment
from ring.clock import rfc3339

if TYPE_CHECKING:
    from ring.store.configs import Config


class ConfigValueBody(Body):
    """What a PUT replaces. `labels` left out means none."""

    name: str
    data: str
    labels: str | None = None


class ConfigBody(Body):
    namespace: str
    name: str
    data: str
    labels: str | None = None


class StoredConfigShape(TypedDict):
    id: str
    created_at: str
    updated_at: str | None
    namespace: str
    name: str
    data: str
    labels: str


def config(row: Config) -> StoredConfigShape:
    return {
        "id": row.id,
        "created_at": rfc3339(row.created_at),
        "updated_at": moment(row.updated_at),
        "namespace": row.namespace,
        "name": row.name,
        "data": row.data,
        "labels": row.labels,
    }
