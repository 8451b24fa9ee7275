"""Work that has to end before whoever waits for it goes on, whatever happens meanwhile."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Coroutine

T = TypeVar("T")


async def to_the_end(work: Coroutine[object, object, T], *, patience_s: float | None = None) -> T:
    """What it returns or raises. When this is cancelled, it ends first.

    patience_s: how long that is waited for; then the work is cancelled, and goes on where it cannot
    be: in a thread. None: it ends by itself.
    """
    running = asyncio.ensure_future(work)
    try:
        return await asyncio.shield(running)
    except asyncio.CancelledError:
        await asyncio.wait((running,), timeout=patience_s)
        if not running.done():
            running.cancel()
            await asyncio.wait((running,))
        if not running.cancelled():
            running.exception()  # looked at: what it has failed with is of no interest
        raise


async def all_of(*works: Coroutine[object, object, None]) -> None:
    """Raises what the first one of those that failed has raised, once every one has ended: whoever
    then takes back what they have done meets none that goes on. So it is when this is cancelled.
    """
    for ended in await asyncio.gather(*works, return_exceptions=True):
        if isinstance(ended, BaseException):
            raise ended
