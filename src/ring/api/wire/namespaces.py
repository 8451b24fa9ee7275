"""Namespaces on the wire."""

from __future__ import annotations

from typing import TYPE_CHECKING, NotRequired

from pydantic import ConfigDict
from typing_extensions import TypedDict

from ring.api.wire.base import Body, moment
from ring.clock import rfc3339

if TYPE_CHECKING:
    from ring.store.store import Namespace


class NamespaceNetworkBody(Body):
    """What is not known here is kept, so that it can be refused by its name."""

    model_config = ConfigDict(**{**Body.model_config, "extra": "allow"})

    host_ip: str | None = None

    def settings(self) -> dict[str, object]:
        return {"host_ip": self.host_ip, **(self.model_extra or {})}


class NamespaceBody(Body):
    name: str
    network: NamespaceNetworkBody | None = None


class NamespaceNetworkShape(TypedDict):
    host_ip: NotRequired[str]


class NamespaceShape(TypedDict):
    id: str
    created_at: str
    updated_at: str | None
    name: str
    network: NotRequired[NamespaceNetworkShape]


def namespace(row: Namespace) -> NamespaceShape:
    shape: NamespaceShape = {
        "id": row.id,
        "created_at": rfc3339(row.created_at),
        "updated_at": moment(row.updated_at),
        "name": row.name,
    }
    if row.network.host_ip is not None:
        shape["network"] = {"host_ip": row.network.host_ip}
    return shape
