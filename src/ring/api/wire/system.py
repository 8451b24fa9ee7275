"""What the server says of itself, on the wire."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from typing_extensions import TypedDict

if TYPE_CHECKING:
    from ring.core.model.node import Node

GIB = 1024**3


class HealthShape(TypedDict):
    state: Literal["UP"]


class NodeShape(TypedDict):
    hostname: str
    os: str
    arch: str
    uptime: str
    cpu_count: int
    memory_total: float
    memory_available: float
    load_average: list[float]


def node(machine: Node) -> NodeShape:
    return {
        "hostname": machine.hostname,
        "os": machine.os,
        "arch": machine.arch,
        "uptime": f"{machine.uptime_s}s",
        "cpu_count": machine.cpu_count,
        "memory_total": machine.memory_bytes / GIB,
        "memory_available": machine.memory_available_bytes / GIB,
        "load_average": list(machine.load_average),
    }
