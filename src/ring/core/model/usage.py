"""What instances take of the machine: one instance's figures, and those of several added up."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from ring.core.model.ids import DeploymentId, InstanceId, InstanceName


@dataclass(frozen=True, slots=True)
class Usage:
    """Figures of one instance, or the sums of several."""

    cpu_percent: float = 0.0
    """100 is one core."""
    memory_bytes: int = 0
    """Without what the kernel takes back first (inactive file pages)."""
    memory_limit_bytes: int = 0
    """The machine's memory where there is no other limit; 0: not known."""
    rx_bytes: int = 0
    """Through every interface but the loopback one, as the transmitted ones are."""
    tx_bytes: int = 0
    rx_packets: int = 0
    tx_packets: int = 0
    read_bytes: int = 0
    """From block devices, as the written ones are."""
    written_bytes: int = 0
    pids: int = 0
    pids_limit: int = 0
    """0: none."""
    restarts: int = 0
    """As the engine counts them."""

    @property
    def memory_percent(self) -> float:
        """Of the limit; 0 where none is known."""
        return self.memory_bytes / self.memory_limit_bytes * 100 if self.memory_limit_bytes else 0.0

    def __add__(self, other: Usage) -> Usage:
        return Usage(*(getattr(self, name) + getattr(other, name) for name in _FIGURES))


_FIGURES = tuple(each.name for each in fields(Usage))


@dataclass(frozen=True, slots=True)
class Measured:
    """One instance and its figures."""

    id: InstanceId
    name: InstanceName
    usage: Usage


def total(usages: Iterable[Usage]) -> Usage:
    each = iter(usages)
    return sum(each, next(each, Usage()))


@dataclass(frozen=True, slots=True)
class Taken:
    """What a deployment's instances took together when they were last looked at."""

    deployment_id: DeploymentId
    name: str
    namespace: str
    runtime: str
    instances: int
    """How many were measured; at least one."""
    usage: Usage


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All running deployments at one time. Never changes: a later one replaces it."""

    at: datetime | None = None
    """None: nothing has been looked at yet."""
    taken: tuple[Taken, ...] = ()

    @property
    def unix_s(self) -> int:
        """Whole seconds; 0: never."""
        return 0 if self.at is None else int(self.at.timestamp())

    def series(self) -> tuple[Taken, ...]:
        """One for each name, namespace and runtime: two rows of one name are two halves of a
        rolling update, and their sums are told."""
        merged: dict[tuple[str, str, str], Taken] = {}
        for each in self.taken:
            key = (each.namespace, each.name, each.runtime)
            other = merged.get(key)
            merged[key] = each if other is None else _together(other, each)
        return tuple(merged.values())


def _together(one: Taken, other: Taken) -> Taken:
    return Taken(
        one.deployment_id,
        one.name,
        one.namespace,
        one.runtime,
        one.instances + other.instances,
        one.usage + other.usage,
    )
