"""The time a request may take."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, TypeVar

from ring.api.problems import Problem

if TYPE_CHECKING:
    from collections.abc import Coroutine

T = TypeVar("T")

REQUEST_S = 10.0


async def within(limit_s: float, work: Coroutine[object, object, T]) -> T:
    """What `work` returns; 408 if that takes longer. A timeout inside `work` is its own affair."""
    try:
        async with asyncio.timeout(limit_s) as limit:
            return await work
    except TimeoutError:
        if not limit.expired():
            raise
        # The rest of a body that was waited for may still come: not as the next request.
        raise Problem(
            408, f"no answer within {limit_s:g} s; try again", headers={"Connection": "close"}
        ) from None
