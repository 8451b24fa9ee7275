"""Text of the kernel's files into figures: control groups of both versions, /proc, mounts.

Pure. A file that says something else than is expected of it tells nothing, which is zero: what one
kernel does not count must not hide what it does.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

UNIFIED = ""
"""The name of the one hierarchy of version 2."""
LOOPBACK = "lo"
_DECIMAL = re.compile(r"[0-9]+(\.[0-9]+)?")
_INACTIVE = ("\ntotal_inactive_file ", "\ninactive_file ")
_ESCAPED = re.compile(r"\\([0-7]{3})")


@dataclass(frozen=True, slots=True)
class Mount:
    """Where a hierarchy is visible, and which of its groups is at the top there."""

    point: str
    root: str


@dataclass(frozen=True, slots=True)
class Traffic:
    """What went through network interfaces."""

    rx_bytes: int = 0
    rx_packets: int = 0
    tx_bytes: int = 0
    tx_packets: int = 0


def paths(text: str) -> dict[str, str]:
    """Of `/proc/<pid>/cgroup`: each controller's group, UNIFIED for the one of version 2."""
    found: dict[str, str] = {}
    for line in text.splitlines():
        _, colon, rest = line.partition(":")
        controllers, second, path = rest.partition(":")
        if colon and second and path.startswith("/"):
            found.update(dict.fromkeys(controllers.split(","), path))
    return found


def mounts(text: str) -> dict[str, Mount]:
    """Of `/proc/self/mountinfo`: each controller's hierarchy, UNIFIED for that of version 2."""
    found: dict[str, Mount] = {}
    for line in text.splitlines():
        before, dash, after = line.partition(" - ")
        left, right = before.split(" "), after.split(" ")
        if not dash or len(left) < 5 or len(right) < 3:
            continue
        mount = Mount(point=_unescaped(left[4]), root=_unescaped(left[3]))
        if right[0] == "cgroup2":
            found.setdefault(UNIFIED, mount)
        elif right[0] == "cgroup":
            for controller in right[2].split(","):
                found.setdefault(controller, mount)
    return found


def _unescaped(text: str) -> str:
    return _ESCAPED.sub(lambda octal: chr(int(octal[1], 8)), text)


def own_group(path: str, instance_id: str) -> str | None:
    """The group of the instance that a process's group belongs to; None: to another one.

    A program that manages groups of its own sits below it.
    """
    parts = path.split("/")
    for depth, part in enumerate(parts):
        if instance_id in part:
            return "/".join(parts[: depth + 1])
    return None


def directory(mount: Mount, path: str) -> str:
    """Where the files of a group are."""
    root = mount.root.rstrip("/")
    inside = path[len(root) :] if path == root or path.startswith(root + "/") else path
    return mount.point.rstrip("/") + inside


def number(text: str) -> int:
    """A file of one number; `max`, and what is none, is 0."""
    stripped = text.strip()
    return int(stripped) if stripped.isdecimal() else 0


def fields(text: str) -> dict[str, int]:
    """Lines of `key number`; /proc/meminfo writes a colon after the key."""
    found: dict[str, int] = {}
    for line in text.splitlines():
        words = line.split()
        if len(words) >= 2 and words[1].isdecimal():
            found[words[0].rstrip(":")] = int(words[1])
    return found


def decimals(text: str) -> tuple[float, float, float]:
    """The first three of a line, as /proc/loadavg and /proc/uptime have them; 0 for each that is
    missing."""
    found = [float(word) for word in text.split()[:3] if _DECIMAL.fullmatch(word)]
    first, second, third = [*found, 0.0, 0.0, 0.0][:3]
    return first, second, third


def memory_bytes(used: int, stat: str) -> int:
    """What is used without inactive file pages, of `memory.stat`; version 1 tells those of groups
    below under another name."""
    for name in _INACTIVE:  # sought, not parsed: of 40 lines one is wanted
        _, found, rest = stat.partition(name)
        if found:
            return max(0, used - number(rest.partition("\n")[0]))
    return used


def limit_bytes(limit: int, machine_bytes: int) -> int:
    """No limit is written as `max`, or as more than any machine has."""
    return min(limit, machine_bytes) if limit and machine_bytes else limit or machine_bytes


def unified_io(text: str) -> tuple[int, int]:
    """Bytes read and written, of version 2's `io.stat`."""
    told = [word.partition("=") for line in text.splitlines() for word in line.split()[1:]]
    return (
        sum(number(value) for key, _, value in told if key == "rbytes"),
        sum(number(value) for key, _, value in told if key == "wbytes"),
    )


def block_io(text: str) -> tuple[int, int]:
    """Bytes read and written, of version 1's `blkio.throttle.io_service_bytes_recursive`."""
    told = [line.split() for line in text.splitlines()]
    rows = [(words[1].lower(), number(words[2])) for words in told if len(words) == 3]
    return (
        sum(count for operation, count in rows if operation == "read"),
        sum(count for operation, count in rows if operation == "write"),
    )


def traffic(text: str) -> Traffic:
    """Of `/proc/<pid>/net/dev`, over all interfaces but the loopback one."""
    sums = [0, 0, 0, 0]
    for counts in _interfaces(text):
        for at, count in enumerate(counts):
            sums[at] += count
    return Traffic(*sums)


def _interfaces(text: str) -> Iterator[tuple[int, int, int, int]]:
    for line in text.splitlines():
        name, colon, rest = line.partition(":")
        words = rest.split()
        if colon and name.strip() != LOOPBACK and len(words) >= 10:
            yield number(words[0]), number(words[1]), number(words[8]), number(words[9])
