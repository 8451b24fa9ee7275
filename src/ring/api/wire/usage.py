"""What instances take, on the wire."""

from __future__ import annotations

from typing import TYPE_CHECKING

from typing_extensions import TypedDict

from ring.core.model.ids import short_id
from ring.core.model.usage import total

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ring.core.model.deployment import Deployment
    from ring.core.model.usage import Measured, Usage


class MemoryShape(TypedDict):
    usage_bytes: int
    limit_bytes: int
    usage_percent: float


class NetworkShape(TypedDict):
    rx_bytes: int
    tx_bytes: int
    rx_packets: int
    tx_packets: int


class DiskShape(TypedDict):
    read_bytes: int
    write_bytes: int


class PidsShape(TypedDict):
    current: int
    limit: int


class InstanceUsageShape(TypedDict):
    instance_id: str
    instance_name: str
    cpu_usage_percent: float
    memory: MemoryShape
    network: NetworkShape
    disk_io: DiskShape
    pids: PidsShape
    restart_count: int


class UsageShape(TypedDict):
    deployment_id: str
    deployment_name: str
    instance_count: int
    total_cpu_usage_percent: float
    total_memory: MemoryShape
    total_network: NetworkShape
    total_disk_io: DiskShape
    total_pids: int
    instances: list[InstanceUsageShape]


def usage(row: Deployment, measured: Sequence[Measured]) -> UsageShape:
    """Of a deployment: the sums, and every instance that was measured."""
    sums = total(each.usage for each in measured)
    return {
        "deployment_id": row.id,
        "deployment_name": row.spec.name,
        "instance_count": len(measured),
        "total_cpu_usage_percent": sums.cpu_percent,
        "total_memory": _memory(sums),
        "total_network": _network(sums),
        "total_disk_io": _disk(sums),
        "total_pids": sums.pids,
        "instances": [_instance(each) for each in measured],
    }


def _instance(measured: Measured) -> InstanceUsageShape:
    figures = measured.usage
    return {
        "instance_id": short_id(measured.id),
        "instance_name": measured.name,
        "cpu_usage_percent": figures.cpu_percent,
        "memory": _memory(figures),
        "network": _network(figures),
        "disk_io": _disk(figures),
        "pids": {"current": figures.pids, "limit": figures.pids_limit},
        "restart_count": figures.restarts,
    }


def _memory(figures: Usage) -> MemoryShape:
    return {
        "usage_bytes": figures.memory_bytes,
        "limit_bytes": figures.memory_limit_bytes,
        "usage_percent": figures.memory_percent,
    }


def _network(figures: Usage) -> NetworkShape:
    return {
        "rx_bytes": figures.rx_bytes,
        "tx_bytes": figures.tx_bytes,
        "rx_packets": figures.rx_packets,
        "tx_packets": figures.tx_packets,
    }


def _disk(figures: Usage) -> DiskShape:
    return {"read_bytes": figures.read_bytes, "write_bytes": figures.written_bytes}
