"""Volumes that are shares of a network file system: `nas:/exports/data`.

A plain name keeps its meaning, which is a volume of the engine's plugin `nfs`.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Final

from ring.core.model.shares import Share, share

if TYPE_CHECKING:
    from ring.core.model.spec import Volume

DRIVER: Final = "nfs"
HASH_DIGITS: Final = 12


def share_of(volume: Volume) -> Share | None:
    """None: it is no share, or one that only a plugin knows."""
    if volume.type != "volume" or volume.driver != DRIVER or not volume.source:
        return None
    return share(volume.source)


def digest(source: str) -> str:
    """The same for everybody who mounts it."""
    return hashlib.sha256(source.encode()).hexdigest()[:HASH_DIGITS]
