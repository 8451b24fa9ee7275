"""This machine's files, about itself and about an instance: where they are, and what they say."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from ring.core.model.node import Node
from ring.core.model.usage import Usage
from ring.engine.sampling import cgroups, processes
from ring.engine.sampling.texts import Kept, Room, most_kept, text

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ring.core.model.ids import InstanceId
    from ring.runtimes.base import Process

NANOSECONDS = 1_000_000_000
_CONTROLLERS = ("cpuacct", "memory", "blkio", "pids")
_ARCHITECTURES = {"amd64": "x86_64", "arm64": "aarch64"}
_BLOCK_IO = ("blkio.throttle.io_service_bytes_recursive", "blkio.throttle.io_service_bytes")


@dataclass(frozen=True, slots=True)
class Group:
    """One controller's directory of an instance."""

    folder: str
    is_unified: bool
    """Of version 2: its files have other names and forms."""
    files: Kept = field(compare=False, repr=False)

    def text(self, name: str) -> str:
        return self.files.text(f"{self.folder}/{name}")


@dataclass(frozen=True, slots=True)
class Place:
    """Where an instance is looked at, for as long as its first process lives."""

    instance_id: InstanceId
    folder: str
    """/proc/<pid>"""
    membership: str
    """Its cgroup file when it was found: another one's says something else. Without groups, when
    the process began."""
    groups: Mapping[str, Group]
    """None: its processes are looked at."""
    files: Kept = field(compare=False, repr=False)
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
        self._room = Room(most_kept())
        self._mounts: Mapping[str, cgroups.Mount] | None = None
        self._memory_bytes: int | None = None

    def place(
        self, instance_id: InstanceId, process: Process, *, has_own_network: bool
    ) -> Place | None:
        """None: this machine has no such process, or it is not the instance's."""
        folder = f"{self._root}/proc/{process.pid}"
        membership = text(f"{folder}/cgroup")
        paths, files = cgroups.paths(membership), Kept(self._room)
        groups = {
            controller: Group(*found, files)
            for controller in _CONTROLLERS
            if (found := self._group(paths, controller, instance_id))
        }
        if not groups:
            return self._of_processes(instance_id, process, has_own_network)
        return Place(
            instance_id, folder, membership, groups, files, has_own_network, process.restarts
        )

    def _of_processes(
        self, instance_id: InstanceId, process: Process, has_own_network: bool
    ) -> Place | None:
        folder = f"{self._root}/proc/{process.pid}"
        began = processes.began(folder)
        if not process.may_lack_groups or not began:
            return None
        files = Kept(self._room)
        return Place(instance_id, folder, began, {}, files, has_own_network, process.restarts)

    def _read_processes(self, place: Place) -> Reading | None:
        proc, _, pid = place.folder.rpartition("/")
        at, taken = self._mono(), processes.taken(proc, int(pid))
        interfaces = text(f"{place.folder}/net/dev") if place.has_own_network else ""
        net = cgroups.traffic(interfaces)
        if processes.began(place.folder) != place.membership:
            return None
        usage = Usage(
            memory_bytes=taken.memory_bytes,
            memory_limit_bytes=self._machine_bytes(),
            rx_bytes=net.rx_bytes,
            tx_bytes=net.tx_bytes,
            rx_packets=net.rx_packets,
            tx_packets=net.tx_packets,
            read_bytes=taken.read_bytes,
            written_bytes=taken.written_bytes,
            pids=taken.tasks,
            restarts=place.restarts,
        )
        return Reading(at, taken.cpu_ns, usage)

    def read(self, place: Place) -> Reading | None:
        """None: its first process is gone."""
        if not place.groups:
            return self._read_processes(place)
        at, cpu_ns = self._mono(), _cpu_ns(place.groups.get("cpuacct"))
        used, limit = _memory(place.groups.get("memory"))
        read, written = _io(place.groups.get("blkio"))
        pids, pids_limit = _pids(place.groups.get("pids"))
        # Not kept open: that would keep the network namespace of who has ended.
        interfaces = text(f"{place.folder}/net/dev") if place.has_own_network else ""
        net = cgroups.traffic(interfaces)
        # Asked last: of what goes away meanwhile, everything would be nothing. One that has ended
        # and waits for its parent has its groups still, and no network.
        if place.has_own_network and not interfaces:
            return None
        if place.files.text(f"{place.folder}/cgroup") != place.membership:
            return None
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
        memory = cgroups.fields(text(f"{self._root}/proc/meminfo"))
        available = memory.get("MemAvailable", memory.get("MemFree", 0))
        loads = cgroups.decimals(text(f"{self._root}/proc/loadavg"))
        uptime = cgroups.decimals(text(f"{self._root}/proc/uptime"))
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
    ) -> tuple[str, bool] | None:
        """Where its directory is, and whether it is of version 2: a controller is in a hierarchy of
        its own, or else in that."""
        mounts = self._hierarchies()
        for name in (controller, cgroups.UNIFIED):
            if name in memberships and name in mounts:
                path = cgroups.own_group(memberships[name], instance_id)
                if path is None:
                    return None
                told = cgroups.directory(mounts[name], path)
                return self._root + told, name == cgroups.UNIFIED
        return None

    def _hierarchies(self) -> Mapping[str, cgroups.Mount]:
        if not self._mounts:
            self._mounts = cgroups.mounts(text(f"{self._root}/proc/self/mountinfo"))
        return self._mounts

    def _machine_bytes(self) -> int:
        if self._memory_bytes is None:
            told = cgroups.fields(text(f"{self._root}/proc/meminfo"))
            self._memory_bytes = told.get("MemTotal", 0) * 1024
        return self._memory_bytes


def _cpu_ns(group: Group | None) -> int:
    if group is None:
        return 0
    if group.is_unified:
        return cgroups.fields(group.text("cpu.stat")).get("usage_usec", 0) * 1000
    return cgroups.number(group.text("cpuacct.usage"))


def _memory(group: Group | None) -> tuple[int, int]:
    """Bytes used and allowed; 0: without limit."""
    if group is None:
        return 0, 0
    usage, limit = (
        ("memory.current", "memory.max")
        if group.is_unified
        else ("memory.usage_in_bytes", "memory.limit_in_bytes")
    )
    used = cgroups.number(group.text(usage))
    allowed = cgroups.number(group.text(limit))
    return cgroups.memory_bytes(used, group.text("memory.stat")), allowed


def _io(group: Group | None) -> tuple[int, int]:
    """Bytes read and written."""
    if group is None:
        return 0, 0
    if group.is_unified:
        return cgroups.unified_io(group.text("io.stat"))
    return cgroups.block_io(next(filter(None, map(group.text, _BLOCK_IO)), ""))


def _pids(group: Group | None) -> tuple[int, int]:
    """Tasks there are and may be; 0: without limit."""
    if group is None:
        return 0, 0
    current, limit = (group.text(name) for name in ("pids.current", "pids.max"))
    return cgroups.number(current), cgroups.number(limit)
