"""This machine's files, about itself and about an instance: where they are, and what they say."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ring.core.model.node import Node
from ring.core.model.usage import Usage
from ring.engine.sampling import cgroups

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ring.core.model.ids import InstanceId
    from ring.runtimes.base import Process

NANOSECONDS = 1_000_000_000
_CONTROLLERS = ("cpuacct", "memory", "blkio", "pids")
_PIECE_BYTES = 64 * 1024
_ARCHITECTURES = {"amd64": "x86_64", "arm64": "aarch64"}
_BLOCK_IO = ("blkio.throttle.io_service_bytes_recursive", "blkio.throttle.io_service_bytes")


@dataclass(frozen=True, slots=True)
class Group:
    """One controller's directory of an instance."""

    folder: str
    is_unified: bool
    """Of version 2: its files have other names and forms."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where an instance is looked at, for as long as its first process lives."""

    instance_id: InstanceId
    folder: str
    """/proc/<pid>"""
    membership: str
    """Its cgroup file when it was found: another one's says something else."""
    groups: Mapping[str, Group]
    has_own_network: bool
    restarts: int


@dataclass(frozen=True, slots=True)
class Reading:
    """The files at one moment."""

    at: float
    """Monotonic seconds."""
    cpu_ns: int
    """Since the group was made."""
    usage: Usage
    """Everything but the share of a core."""


class Machine:
    """Reads under `root`, which is `/` but in tests. A call costs a tenth of a millisecond for an
    instance; any thread may make it."""

    def __init__(self, mono: Callable[[], float], root: Path = Path("/")) -> None:
        self._mono = mono
        self._root = os.fspath(root).rstrip("/")
        self._mounts: Mapping[str, cgroups.Mount] | None = None
        self._memory_bytes: int | None = None

    def place(
        self, instance_id: InstanceId, process: Process, *, has_own_network: bool
    ) -> Place | None:
        """None: this machine has no such process, or it is not the instance's."""
        folder = f"{self._root}/proc/{process.pid}"
        membership = _text(f"{folder}/cgroup")
        groups = {
            controller: group
            for controller in _CONTROLLERS
            if (group := self._group(cgroups.paths(membership), controller, instance_id))
        }
        if not groups:
            return None
        return Place(instance_id, folder, membership, groups, has_own_network, process.restarts)

    def read(self, place: Place) -> Reading | None:
        """None: its first process is gone."""
        if _text(f"{place.folder}/cgroup") != place.membership:
            return None
        at, cpu_ns = self._mono(), _cpu_ns(place.groups.get("cpuacct"))
        used, limit = _memory(place.groups.get("memory"))
        read, written = _io(place.groups.get("blkio"))
        pids, pids_limit = _pids(place.groups.get("pids"))
        net = cgroups.Traffic()
        if place.has_own_network:
            net = cgroups.traffic(_text(f"{place.folder}/net/dev"))
        usage = Usage(
            memory_bytes=used,
            memory_limit_bytes=cgroups.limit_bytes(limit, self._machine_bytes()),
            rx_bytes=net.rx_bytes,
            tx_bytes=net.tx_bytes,
            rx_packets=net.rx_packets,
            tx_packets=net.tx_packets,
            read_bytes=read,
            written_bytes=written,
            pids=pids,
            pids_limit=pids_limit,
            restarts=place.restarts,
        )
        return Reading(at, cpu_ns, usage)

    def node(self) -> Node:
        """The machine itself, now."""
        system = os.uname()
        memory = cgroups.fields(_text(f"{self._root}/proc/meminfo"))
        available = memory.get("MemAvailable", memory.get("MemFree", 0))
        loads = cgroups.decimals(_text(f"{self._root}/proc/loadavg"))
        uptime = cgroups.decimals(_text(f"{self._root}/proc/uptime"))
        return Node(
            hostname=system.nodename,
            os=system.sysname.lower(),
            arch=_ARCHITECTURES.get(system.machine, system.machine),
            uptime_s=int(uptime[0]),
            cpu_count=os.cpu_count() or 1,
            memory_bytes=memory.get("MemTotal", 0) * 1024,
            memory_available_bytes=available * 1024,
            load_average=loads,
        )

    def _group(
        self, memberships: Mapping[str, str], controller: str, instance_id: str
    ) -> Group | None:
        """A controller is in a hierarchy of its own, or else in that of version 2."""
        mounts = self._hierarchies()
        for name in (controller, cgroups.UNIFIED):
            if name in memberships and name in mounts:
                path = cgroups.own_group(memberships[name], instance_id)
                if path is None:
                    return None
                told = cgroups.directory(mounts[name], path)
                return Group(self._root + told, name == cgroups.UNIFIED)
        return None

    def _hierarchies(self) -> Mapping[str, cgroups.Mount]:
        if not self._mounts:
            self._mounts = cgroups.mounts(_text(f"{self._root}/proc/self/mountinfo"))
        return self._mounts

    def _machine_bytes(self) -> int:
        if self._memory_bytes is None:
            told = cgroups.fields(_text(f"{self._root}/proc/meminfo"))
            self._memory_bytes = told.get("MemTotal", 0) * 1024
        return self._memory_bytes


def _cpu_ns(group: Group | None) -> int:
    if group is None:
        return 0
    if group.is_unified:
        return cgroups.fields(_text(f"{group.folder}/cpu.stat")).get("usage_usec", 0) * 1000
    return cgroups.number(_text(f"{group.folder}/cpuacct.usage"))


def _memory(group: Group | None) -> tuple[int, int]:
    """Bytes used and allowed; 0: without limit."""
    if group is None:
        return 0, 0
    usage, limit = (
        ("memory.current", "memory.max")
        if group.is_unified
        else ("memory.usage_in_bytes", "memory.limit_in_bytes")
    )
    used = cgroups.number(_text(f"{group.folder}/{usage}"))
    allowed = cgroups.number(_text(f"{group.folder}/{limit}"))
    return cgroups.memory_bytes(used, _text(f"{group.folder}/memory.stat")), allowed


def _io(group: Group | None) -> tuple[int, int]:
    """Bytes read and written."""
    if group is None:
        return 0, 0
    if group.is_unified:
        return cgroups.unified_io(_text(f"{group.folder}/io.stat"))
    told = next((text for name in _BLOCK_IO if (text := _text(f"{group.folder}/{name}"))), "")
    return cgroups.block_io(told)


def _pids(group: Group | None) -> tuple[int, int]:
    """Tasks there are and may be; 0: without limit."""
    if group is None:
        return 0, 0
    current, limit = (_text(f"{group.folder}/{name}") for name in ("pids.current", "pids.max"))
    return cgroups.number(current), cgroups.number(limit)


def _text(path: str) -> str:
    """Nothing where it cannot be read: the instance may have ended, or the kernel has no such.

    Without a file object, which would cost more than the kernel's own work.
    """
    try:
        number = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return ""
    try:
        pieces = [os.read(number, _PIECE_BYTES)]
        while pieces[-1]:  # some files are told a page at a time
            pieces.append(os.read(number, _PIECE_BYTES))
    except OSError:
        return ""
    finally:
        os.close(number)
    return b"".join(pieces).decode(errors="replace")
