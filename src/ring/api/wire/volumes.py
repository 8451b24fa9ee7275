"""Registered volumes on the wire."""

from __future__ import annotations

from typing import TYPE_CHECKING

from typing_extensions import TypedDict

from ring.api.wire.base import Body, TextMap, moment
from ring.clock import rfc3339

if TYPE_CHECKING:
    from ring.store.volumes import Volume


class VolumeBody(Body):
    namespace: str
    name: str
    size: int | None = None
    backend_type: str | None = None
    labels: TextMap | None = None


class RegisteredVolumeShape(TypedDict):
    id: str
    created_at: str
    updated_at: str | None
    namespace: str
    name: str
    size: int | None
    backend_type: str
    host_path: str
    labels: dict[str, str]


def volume(row: Volume) -> RegisteredVolumeShape:
    return {
        "id": row.id,
        "created_at": rfc3339(row.created_at),
        "updated_at": moment(row.updated_at),
        "namespace": row.namespace,
        "name": row.name,
        "size": row.size,
        "backend_type": row.backend_type,
        "host_path": row.host_path,
        "labels": dict(row.labels),
    }
