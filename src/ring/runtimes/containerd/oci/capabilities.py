"""The capabilities of an instance's process, by the kernel's names."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from ring.core.model.hardening import ALL

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ring.core.model.spec import Security

# The order of include/uapi/linux/capability.h, whose numbers these are.
# fmt: off
NUMBERED: Final = (
    "CHOWN", "DAC_OVERRIDE", "DAC_READ_SEARCH", "FOWNER", "FSETID", "KILL", "SETGID", "SETUID",
    "SETPCAP", "LINUX_IMMUTABLE", "NET_BIND_SERVICE", "NET_BROADCAST", "NET_ADMIN", "NET_RAW",
    "IPC_LOCK", "IPC_OWNER", "SYS_MODULE", "SYS_RAWIO", "SYS_CHROOT", "SYS_PTRACE", "SYS_PACCT",
    "SYS_ADMIN", "SYS_BOOT", "SYS_NICE", "SYS_RESOURCE", "SYS_TIME", "SYS_TTY_CONFIG", "MKNOD",
    "LEASE", "AUDIT_WRITE", "AUDIT_CONTROL", "SETFCAP", "MAC_OVERRIDE", "MAC_ADMIN", "SYSLOG",
    "WAKE_ALARM", "BLOCK_SUSPEND", "AUDIT_READ", "PERFMON", "BPF", "CHECKPOINT_RESTORE",
)
DEFAULT: Final = frozenset({
    "AUDIT_WRITE", "CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "MKNOD", "NET_BIND_SERVICE",
    "NET_RAW", "SETFCAP", "SETGID", "SETPCAP", "SETUID", "SYS_CHROOT",
})
"""What every engine gives where nothing else is said."""
# fmt: on
STATUS: Final = Path("/proc/self/status")


def available(status: Path = STATUS) -> frozenset[str]:
    """All that can be given at all: what this server's own bounding set has."""
    mask = _set(status, "CapBnd")
    return frozenset(name for bit, name in enumerate(NUMBERED) if mask >> bit & 1)


def can_raise_limits(status: Path = STATUS) -> bool:
    """Whether a hard limit of this machine's may be exceeded."""
    return bool(_set(status, "CapEff") >> NUMBERED.index("SYS_RESOURCE") & 1)


def bounding(security: Security, *, is_privileged: bool) -> tuple[str, ...]:
    """All that the process and its children may ever have, in the kernel's order: `CAP_CHOWN`.

    security: as in effect (core.model.hardening).
    """
    added, dropped = set(security.cap_add), set(security.cap_drop)
    if is_privileged:
        names = available()
    elif ALL in added:
        names = available() - dropped
    elif ALL in dropped:
        names = frozenset(added)
    else:
        names = DEFAULT - dropped | added
    return _ordered(names)


def sets(security: Security, *, is_privileged: bool, uid: int) -> dict[str, list[str]]:
    """The `capabilities` of the process.

    Root has all of them at once. Anybody else has those that the order adds by name: the kernel
    keeps them over the execution of a program in the ambient set alone.
    """
    most = list(bounding(security, is_privileged=is_privileged))
    if uid == 0:
        kept, ambient = most, []
    else:
        given = set(most) if ALL in security.cap_add else {f"CAP_{n}" for n in security.cap_add}
        kept = ambient = [name for name in most if name in given]
    return {
        "bounding": most,
        "effective": list(kept),
        "permitted": list(kept),
        "inheritable": list(ambient),
        "ambient": list(ambient),
    }


def _ordered(names: Iterable[str]) -> tuple[str, ...]:
    wanted = set(names)
    return tuple(f"CAP_{name}" for name in NUMBERED if name in wanted)


def _set(status: Path, name: str) -> int:
    for line in status.read_text().splitlines():
        key, _, value = line.partition(":")
        if key == name:
            return int(value, 16)
    return 0
