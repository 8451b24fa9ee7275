"""Ends processes of this machine that are certain to belong to one command in a container."""

from __future__ import annotations

import os
import re
import select
import signal
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

PROC = Path("/proc")
_PARENT, _SESSION, _STARTED = 1, 3, 19
"""Of a process's `stat`, counted from what follows its name, its state."""
_ENDED = frozenset({b"Z", b"X"})
"""States of what nobody has seen the end of yet."""
_MOST_AT_ONCE = 64
"""A handle is an open file. What is left over is found by whoever looks again."""
_OWNER = re.compile(rb"([0-9]{1,20})-([0-9]{1,10})-([0-9]{1,20})-")
"""Anybody may have written it: no number is longer than one can be."""


def end_marked(mark: bytes, leader: int, container_id: str) -> int:
    """Kills all that have the mark in their environment, with their children; how many there were.

    Also those of the session of `leader` (0: none), which some programs need since they write over
    their environment or take it away: they must be in the container. All are stopped before the
    first is killed, so that no child becomes somebody else's meanwhile. What has shed the mark and
    the session, and whose parent has ended, is not found: nothing else of it tells. Nor is what
    cannot be looked into, or is another machine's. Costs about 0.2 ms a process of the machine.
    """
    held: dict[int, int] = {}
    try:
        while _stop_some(held, mark, leader, container_id) and len(held) < _MOST_AT_ONCE:
            pass
        for handle in held.values():
            _send(handle, signal.SIGKILL)
    finally:
        for handle in held.values():
            os.close(handle)
    return len(held)


def owner() -> str:
    """This process, as the marks of what it begins name it: where it has its number, the number,
    and when it was started."""
    return f"{_space('self')}-{os.getpid()}-{started(os.getpid())}"


def end_ownerless(name: bytes) -> int:
    """Kills all that whoever is gone has begun and not seen end; how many there were.

    name: of the variable that holds a mark, which begins with its owner. What a command has left
    in the background when it ended by itself goes on, and so does what belongs to an owner who has
    numbers of its own, that mean nothing here. Costs as `end_marked` does.
    """
    marks: dict[int, bytes] = {}
    for pid in _pids():
        for entry in _read(pid, "environ").split(b"\0"):
            if entry.startswith(name + b"=") and is_ownerless(entry.partition(b"=")[2]):
                marks[pid] = entry
    doomed = {entry for pid, entry in marks.items() if _is_begun_outside(pid)}
    return sum(end_marked(entry, 0, "") for entry in doomed)


def is_ownerless(mark: bytes) -> bool:
    """The owner of this mark is gone; False also where that cannot be known."""
    told = _OWNER.match(mark)
    if told is None or told[1] != _space("self").encode():
        return False
    return started(int(told[2])) != int(told[3])


def _is_begun_outside(pid: int) -> bool:
    """It was put into its container, and is no child of what was: the command itself."""
    after_name = _read(pid, "stat").rpartition(b")")[2].split()
    parent = after_name[_PARENT].decode() if len(after_name) > _PARENT else "0"
    inside, outside = _space(str(pid)), _space(parent)
    return bool(inside and outside) and inside != outside


def started(pid: int) -> int:
    """When, in the system's own count; 0: it is gone, or nobody has seen its end yet."""
    after_name = _read(pid, "stat").rpartition(b")")[2].split()
    if len(after_name) <= _STARTED or after_name[0] == b"Z":
        return 0
    return int(after_name[_STARTED])


def _space(pid: str) -> str:
    """Where a process has its number; empty: it is gone."""
    try:
        return str((PROC / pid / "ns" / "pid").stat().st_ino)
    except OSError:
        return ""


def _pids() -> Iterator[int]:
    return (int(name) for name in os.listdir(PROC) if name.isdigit())  # noqa: PTH208 - no objects


def _stop_some(held: dict[int, int], mark: bytes, leader: int, container_id: str) -> bool:
    """Those that belong to the command and are not held yet; False: there are no more.

    held: handles of the stopped ones, by process.
    """
    count = len(held)
    for pid in _pids():
        if len(held) >= _MOST_AT_ONCE:
            break
        if pid not in held and _belongs(pid, held, mark, leader, container_id):
            _stop(pid, held, mark, leader, container_id)
    return len(held) > count


def _stop(pid: int, held: dict[int, int], mark: bytes, leader: int, container_id: str) -> None:
    try:
        handle = os.pidfd_open(pid)
    except OSError:
        return
    # Looked at again: from here on the number is this process's, or the signal has no effect.
    if _belongs(pid, held, mark, leader, container_id) and _send(handle, signal.SIGSTOP):
        held[pid] = handle
    else:
        os.close(handle)


def _send(handle: int, number: signal.Signals) -> bool:
    """False: it may not be ended. One that has ended has taken any signal."""
    try:
        signal.pidfd_send_signal(handle, number)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    return True


def _belongs(
    pid: int, held: Mapping[int, int], mark: bytes, leader: int, container_id: str
) -> bool:
    after_name = _read(pid, "stat").rpartition(b")")[2].split()
    if len(after_name) <= _SESSION or after_name[0] in _ENDED:
        return False
    parent = held.get(int(after_name[_PARENT]))
    if parent is not None and not _has_ended(parent):
        return True
    if mark in _read(pid, "environ").split(b"\0"):
        return True
    is_of_session = leader != 0 and after_name[_SESSION] == str(leader).encode()
    return is_of_session and _is_inside(pid, leader, container_id.encode())


def _is_inside(pid: int, leader: int, container_id: bytes) -> bool:
    """By its control group; where it has none of its own, as with a rootless engine, by what
    watches over its session, which was started with the id."""
    if container_id in _read(pid, "cgroup"):
        return True
    after_name = _read(leader, "stat").rpartition(b")")[2].split()
    if len(after_name) <= _PARENT:
        return False
    return container_id in _read(int(after_name[_PARENT]), "cmdline").split(b"\0")


def _has_ended(handle: int) -> bool:
    """Then its number may be another process's."""
    poll = select.poll()
    poll.register(handle, select.POLLIN)
    return bool(poll.poll(0))


def _read(pid: int, name: str) -> bytes:
    try:
        return (PROC / str(pid) / name).read_bytes()
    except OSError:
        return b""
