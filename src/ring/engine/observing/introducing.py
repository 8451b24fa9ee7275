"""What is logged of each engine that this server uses: where it is, and what is amiss with it.

At the start of those that answer then, and of the others as soon as they do; once more of those
that take longer to say than a start waits.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Final

from ring.runtimes.base import Notices

if TYPE_CHECKING:
    from ring.runtimes.base import Runtime

log = logging.getLogger(__name__)

LATE_S: Final = 60.0
"""For what an engine says while nobody waits for it."""


async def introduce(runtime: Runtime, *, within_s: float = LATE_S) -> bool:
    """Of an engine that answers. Waits at most within_s seconds for what it says; False: that is
    still to be heard."""
    log.info("Connected to %s at %s", runtime.name.capitalize(), runtime.location)
    if not isinstance(runtime, Notices):
        return True
    try:
        async with asyncio.timeout(within_s):
            notices = await runtime.notices()
    except TimeoutError:  # it answers, and that is what counts
        return False
    for notice in notices:
        log.warning("%s: %s", runtime.name, notice)
    return True
