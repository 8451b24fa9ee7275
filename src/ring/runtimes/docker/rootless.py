"""What is another way with an engine of a user: whether it is one, and the way to its instances.

Their networks are in a network namespace that belongs to that user, with addresses that mean
nothing to this machine.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from pathlib import Path
from typing import TYPE_CHECKING

from ring.core.model.failures import FailureClass
from ring.network.namespaces import Namespaces
from ring.runtimes.base import Process, RuntimeFailure
from ring.runtimes.marked import started

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from ring.core.model.ids import InstanceId

    Find = Callable[[InstanceId], Awaitable[Process | None]]

_CONNECT_S = 5.0
_CREDENTIALS = struct.Struct("iII")
"""Process, user and group: unix(7)."""
_MOST_KNOWN = 1024
_MOST_HOMES = 8


async def is_rootless(path: str | None) -> bool:
    """Whether what listens at this socket is a user's: the kernel tells who began to.

    The engine's own word would cost seconds: Podman asks the package manager for what it tells
    with it. Raises OSError.
    """
    return path is not None and await asyncio.to_thread(_listener, path) != 0


def has_unified_groups(system: Path = Path("/sys")) -> bool:
    """Of version 1 no control group can be given to a user."""
    return (system / "fs/cgroup/cgroup.controllers").exists()


def _listener(path: str) -> int:
    """The user's id."""
    with socket.socket(socket.AF_UNIX) as link:
        link.settimeout(_CONNECT_S)
        link.connect(path)
        told = link.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    _, uid, _ = _CREDENTIALS.unpack(told)
    return int(uid)


def running(program: str, owner: int | None, processes: Path = Path("/proc")) -> list[int]:
    """Processes of this user that run it: one, or one for each of the user's engines.

    What runs in instances may be the user's as well, and call itself anything, in any bytes. It is
    further inside than the engine's own, which go first.
    """
    found: list[tuple[int, int]] = []
    for entry in processes.iterdir():
        with contextlib.suppress(OSError):
            is_theirs = entry.name.isdigit() and entry.stat().st_uid == owner
            if is_theirs and (entry / "comm").read_bytes().rstrip(b"\n") == program.encode():
                found.append((_depth(entry), int(entry.name)))
    return [pid for _, pid in sorted(found)[:_MOST_HOMES]]


def _depth(process: Path) -> int:
    """In how many process namespaces it is, from the one that is looked from. Raises OSError."""
    for line in (process / "status").read_bytes().splitlines():
        if line.startswith(b"NSpid:"):
            return len(line.split()) - 1
    return 1


class Insides:
    """Ways into the networks of a rootless engine's instances."""

    def __init__(self, find: Find, path: str | None = None) -> None:
        """find: tells an instance's process, see Samples.process. path: of the engine's socket; an
        engine may say what it likes, but leads nowhere but into what is its user's."""
        self._find = find
        self._path = path
        self._owner: int | None = None
        """None: nobody has looked yet."""
        self._namespaces = Namespaces()
        self._known: dict[InstanceId, tuple[Process, int]] = {}
        """With the time at which it began: the number alone may be another's by now."""

    async def close(self) -> None:
        await self._namespaces.close()

    async def open(self, instance_id: InstanceId, family: socket.AddressFamily) -> socket.socket:
        """See ring.runtimes.base.Inside."""
        process, began = await self._process(instance_id)
        try:
            made = await self._namespaces.open(process.pid, family, await self._user())
        except OSError as error:
            raise RuntimeFailure(
                FailureClass.OTHER,
                "no way leads into its network, which is that of a rootless engine: "
                f"{error.strerror or error} (run Ring as the user of the engine, or as root)",
            ) from error
        if started(process.pid) != began:
            # It ended meanwhile: the number may have been another's by then.
            made.close()
            raise _not_running(instance_id)
        return made

    async def homes(self, program: str) -> list[socket.socket]:
        """In the networks in which the engine's user runs this program, each to be closed. What no
        way leads into is left out."""
        found: list[socket.socket] = []
        with contextlib.suppress(OSError):
            owner = await self._user()
            for pid in await asyncio.to_thread(running, program, owner):
                with contextlib.suppress(OSError):
                    found.append(await self._namespaces.open(pid, socket.AF_INET, owner))
        return found

    async def _user(self) -> int | None:
        """The engine's. Raises OSError."""
        if self._owner is None and self._path is not None:
            self._owner = await asyncio.to_thread(_listener, self._path)
        return self._owner

    async def _process(self, instance_id: InstanceId) -> tuple[Process, int]:
        """And when it began. Raises RuntimeFailure, and what `find` raises."""
        known = self._known.get(instance_id)
        if known is not None and known[1] == started(known[0].pid):
            return known
        process = await self._find(instance_id)
        began = started(process.pid) if process is not None else 0
        if process is None or not began:
            raise _not_running(instance_id)
        if len(self._known) >= _MOST_KNOWN:
            self._known.clear()
        self._known[instance_id] = process, began
        return process, began


def _not_running(instance_id: InstanceId) -> RuntimeFailure:
    return RuntimeFailure(FailureClass.OTHER, f"instance {instance_id[:12]} does not run")
