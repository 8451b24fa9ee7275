"""What the processes of an instance take, for one without a control group of its own.

A rootless engine has none to give where nobody delegated one to its user. What is counted is the
first process and all below it: not what was begun inside by hand, whose parent is elsewhere.
Memory that several of them share counts for each. The time of a process that has ended is its
parent's from then on, so the sum does not fall.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ring.engine.sampling.cgroups import fields
from ring.engine.sampling.texts import text

if TYPE_CHECKING:
    from collections.abc import Iterator

MOST = 4096
"""Threads of one instance that are looked at."""
_TICKS_A_SECOND = os.sysconf("SC_CLK_TCK")
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
_STATE, _ENDED = 0, "ZX"
_TIMES, _THREADS, _STARTED, _RESIDENT = slice(11, 15), 17, 19, 21
"""After the name in /proc/<pid>/stat, where proc(5) counts from 3. The times are user, system, and
both of children that were waited for."""


@dataclass(frozen=True, slots=True)
class Taken:
    """By all of them, now and since the first began."""

    cpu_ns: int = 0
    memory_bytes: int = 0
    """Resident."""
    tasks: int = 0
    read_bytes: int = 0
    written_bytes: int = 0


def began(folder: str) -> str:
    """What tells this process from another one with its number; empty: there is none."""
    found = _stat(folder)
    return found[_STARTED] if found and found[_STATE] not in _ENDED else ""


def taken(proc: str, pid: int) -> Taken:
    """Nothing where the first process is gone."""
    cpu = memory = tasks = read = written = 0
    for one in _family(proc, pid):
        folder = f"{proc}/{one}"
        found = _stat(folder)
        if not found:
            continue
        cpu += sum(int(word) for word in found[_TIMES])
        memory += int(found[_RESIDENT])
        tasks += int(found[_THREADS])
        moved = fields(text(f"{folder}/io"))
        read += moved.get("read_bytes", 0)
        written += moved.get("write_bytes", 0)
    return Taken(
        cpu * (1_000_000_000 // _TICKS_A_SECOND), memory * _PAGE_BYTES, tasks, read, written
    )


def _family(proc: str, pid: int) -> Iterator[int]:
    """Each thread has children of its own."""
    waiting, seen = [pid], 0
    while waiting and seen < MOST:
        one = waiting.pop()
        yield one
        threads = _names(f"{proc}/{one}/task")[: MOST - seen]
        seen += max(1, len(threads))
        for thread in threads:
            children = text(f"{proc}/{one}/task/{thread}/children")
            waiting.extend(int(child) for child in children.split())


def _names(folder: str) -> list[str]:
    try:
        return os.listdir(folder)  # noqa: PTH208 - a path object for each would cost more
    except OSError:
        return []


def _stat(folder: str) -> list[str]:
    """The name may hold anything, but ends at the last bracket."""
    found = text(f"{folder}/stat").rpartition(")")[2].split()
    return found if len(found) > _RESIDENT else []
