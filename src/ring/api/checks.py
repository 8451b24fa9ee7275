"""Checks deployment bodies: short ones at once, long ones beside the loop, one at a time."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, TypeVar

from ring.api.problems import Problem
from ring.core.checking import check

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ring.core.checking import Checked
    from ring.core.model.capabilities import Capabilities

T = TypeVar("T")

_LARGE_BYTES = 32 * 1024
_QUEUE = 8
"""Long bodies that may wait for the one under way."""


class Checks:
    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix="ring-checks")
        self._under_way = 0

    async def check(self, body: bytes, capabilities: Mapping[str, Capabilities]) -> Checked:
        """Raises NotJson, and 503 where too many wait. Who gives up waiting leaves the queue."""
        if len(body) <= _LARGE_BYTES:
            return check(body, capabilities)
        if self._under_way > _QUEUE:
            raise Problem(
                503, "too many large bodies at once; try again", headers={"Retry-After": "1"}
            )
        self._under_way += 1
        try:
            return await self.beside(lambda: check(body, capabilities))
        finally:
            self._under_way -= 1

    async def beside(self, work: Callable[[], T]) -> T:
        """What `work` returns, done on the thread of the long checks."""
        return await asyncio.get_running_loop().run_in_executor(self._pool, work)

    def close(self) -> None:
        self._pool.shutdown(wait=False, cancel_futures=True)
