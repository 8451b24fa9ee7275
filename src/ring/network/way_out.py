"""The machine's way out, the interface of its default IPv4 route, and what goes through it whole.

Read from /proc and /sys, so it costs two small files and no program.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ring.network.taken import At

MOST_BYTES: Final = 1500
"""Ethernet's. An interface of the machine that takes more may lead to others that do not."""
_UP: Final = 0x1
_REJECT: Final = 0x200
"""Flags of a route: route(8)."""


def mtu_bytes(at: At = Path) -> int:
    """Largest packet that gets out whole, at most MOST_BYTES; as many where nothing tells."""
    try:
        # With several default routes the one of the lowest metric is used.
        _, interface = min(_default_routes(at), key=lambda route: route[0])
        told = int(at(f"/sys/class/net/{interface}/mtu").read_text(encoding="ascii"))
    except (OSError, ValueError):
        return MOST_BYTES
    return min(told, MOST_BYTES) if told > 0 else MOST_BYTES


def _default_routes(at: At) -> Iterator[tuple[int, str]]:
    """Metric and interface, whose name may be of any bytes. Raises OSError, ValueError."""
    told = at("/proc/net/route").read_bytes()
    for line in filter(None, told.split(b"\n")[1:]):
        interface, _, _, flags, _, _, metric, mask = line.split()[:8]
        if not int(mask, 16) and int(flags, 16) & (_UP | _REJECT) == _UP:
            yield int(metric), os.fsdecode(interface)
