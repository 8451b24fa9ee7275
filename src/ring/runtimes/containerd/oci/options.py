"""Which security and process settings an instance can be given on this host."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ring.core.rules.security import OPTIONS
from ring.runtimes.containerd.oci import confinement

if TYPE_CHECKING:
    from pathlib import Path


def honoured(system: Path = confinement.SYSTEM) -> frozenset[str]:
    """All there are, but for what depends on a security module that is not on."""
    is_on = {
        "security.apparmor": confinement.has_apparmor(system),
        "security.selinux": confinement.has_selinux(system),
    }
    return frozenset(option for option in OPTIONS if is_on.get(option, True))
