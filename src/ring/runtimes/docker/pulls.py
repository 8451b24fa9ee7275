"""One pull for one image at a time, shared by everybody who waits for it."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine


@dataclass(slots=True)
class _Shared:
    task: asyncio.Task[None]
    waiters: int = 0


class SharedPulls:
    """Pulls in flight. One that nobody waits for any more is cancelled."""

    def __init__(self) -> None:
        self._in_flight: dict[str, _Shared] = {}

    async def join(self, key: str, pull: Callable[[], Coroutine[object, object, None]]) -> None:
        """Waits for the pull of this key, starting it if none runs. Raises what it raises."""
        shared = self._in_flight.get(key)
        if shared is None:
            shared = self._in_flight[key] = _Shared(asyncio.create_task(pull()))
            shared.task.add_done_callback(_retrieved)
        shared.waiters += 1
        try:
            await asyncio.shield(shared.task)
        finally:
            shared.waiters -= 1
            if shared.waiters == 0:
                shared.task.cancel()
                if self._in_flight.get(key) is shared:
                    del self._in_flight[key]

    async def close(self) -> None:
        tasks = [shared.task for shared in self._in_flight.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _retrieved(task: asyncio.Task[None]) -> None:
    """An error whose last waiter was cancelled is nobody's; asyncio would complain."""
    if not task.cancelled():
        task.exception()
