"""How full the disk is that an engine keeps its images on."""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


async def percent_used(directory: Path) -> float | None:
    """As `df` counts it: of what others than root may use. None: it cannot be seen."""

    def measured() -> float | None:
        try:
            found = os.statvfs(directory)
        except OSError:
            return None
        used = found.f_blocks - found.f_bfree
        usable = used + found.f_bavail
        return 100 * used / usable if usable else None

    return await asyncio.to_thread(measured)
