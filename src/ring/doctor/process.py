"""The server's process, if one runs, and what it may do: capabilities and its systemd unit."""

from __future__ import annotations

import os
import re
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ring.doctor.report import Check, failed, passed

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from ring.doctor.host import Host

NET_ADMIN = "CAP_NET_ADMIN"
NET_RAW = "CAP_NET_RAW"

_BITS = {NET_ADMIN: 12, NET_RAW: 13}
_UNIT = re.compile(r"/([^/]+\.service)(?:/|$)")
_WAY_OUT = (
    "set AmbientCapabilities=CAP_NET_ADMIN CAP_NET_RAW in the unit of the server, or run it as root"
)


@dataclass(frozen=True, slots=True)
class Process:
    """Whose capabilities count."""

    pid: int
    is_server: bool

    def __str__(self) -> str:
        return f"the server, pid {self.pid}" if self.is_server else "this process; no server runs"


def server_process(host: Host, database: Path) -> Process:
    """The server of this database by the lock it holds; else doctor itself."""
    lock = database.resolve().with_name(f"{database.resolve().name}.lock")
    try:
        pid = int(lock.read_text(encoding="ascii"))
        inode = lock.stat().st_ino
        held = host.at("/proc/locks").read_text(encoding="ascii")
    except (OSError, ValueError):
        return Process(os.getpid(), is_server=False)
    if re.search(rf"FLOCK\s+\S+\s+WRITE {pid} \S+:{inode} ", held):
        return Process(pid, is_server=True)
    return Process(os.getpid(), is_server=False)


def capabilities(
    host: Host, process: Process, wanted: Sequence[str], *, binary: str | None, without: str
) -> Check:
    """Whether the process, or the file of a binary, has them; `without` is what does not work."""
    missing = [name for name in wanted if not _effective(host, process) >> _BITS[name] & 1]
    if not missing:
        return passed("Capabilities", f"{', '.join(wanted)} ({process})")
    if binary is not None and all(_of_file(binary) >> _BITS[name] & 1 for name in wanted):
        return passed("Capabilities", f"{', '.join(wanted)} (file capabilities of {binary})")
    return failed("Capabilities", f"{', '.join(missing)} missing ({process}): {without}{_WAY_OUT}")


def _effective(host: Host, process: Process) -> int:
    try:
        status = host.at(f"/proc/{process.pid}/status").read_text(encoding="utf-8")
    except OSError:
        return 0
    found = re.search(r"^CapEff:\s*([0-9a-f]+)$", status, re.MULTILINE)
    return int(found[1], 16) if found else 0


def _of_file(binary: str) -> int:
    """What the kernel adds when the binary is started (capabilities(7)); 0 for nothing."""
    try:
        raw = os.getxattr(binary, "security.capability")
    except OSError:
        return 0
    if len(raw) < 8:
        return 0
    magic, permitted = struct.unpack_from("<II", raw)
    return permitted if magic & 1 else 0


def unit_of(host: Host, process: Process) -> str | None:
    """The systemd unit that the server runs in."""
    if not process.is_server:
        return None
    try:
        text = host.at(f"/proc/{process.pid}/cgroup").read_text(encoding="utf-8")
    except OSError:
        return None
    found = _UNIT.findall(text)
    return str(found[-1]) if found else None


async def kill_mode(host: Host, process: Process) -> Check:
    """Whether the helpers and machines of a server outlive its stop under systemd."""
    unit = unit_of(host, process)
    if unit is None:
        return passed("KillMode", "the server does not run in a systemd unit")
    said = await host.ask("systemctl", "show", "--property=KillMode", "--value", "--", unit)
    if said is None or said.code != 0:
        return failed("KillMode", f"cannot ask systemd about {unit}: it must say KillMode=process")
    if said.first == "process":
        return passed("KillMode", f"{unit} has KillMode=process")
    return failed(
        "KillMode",
        f"{unit} has KillMode={said.first}: virtual machines die with the server; "
        "set KillMode=process in the unit",
    )
