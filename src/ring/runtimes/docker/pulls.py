"""One pull for one image at a time, shared by everybody who waits for it; a few at once."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Hashable


T = TypeVar("T")

MOST_AT_ONCE = 4
"""More would slow each other down, and the engine's own answers with them."""


@dataclass(slots=True)
class _Shared(Generic[T]):
    task: asyncio.Task[T]
    waiters: int = 0


class SharedPulls(Generic[T]):
    """Pulls in flight on one engine, each with what comes of it. One that nobody waits for any more
    is cancelled.

    Each is a task of its own, in nobody's group: whoever asked first may be cancelled while others
    still wait, so it belongs to all of them. It ends with its last waiter, and all end in `close`.
    """

    def __init__(self) -> None:
        self._in_flight: dict[Hashable, _Shared[T]] = {}
        self._places = asyncio.Semaphore(MOST_AT_ONCE)

    async def join(self, key: Hashable, pull: Callable[[], Coroutine[object, object, T]]) -> T:
        """What comes of the pull of this key, starting it if none runs. Raises what it raises.

        It waits for a place first while MOST_AT_ONCE others run.
        """
        shared = self._in_flight.get(key)
        if shared is None:
            shared = self._in_flight[key] = _Shared(asyncio.create_task(self._placed(pull)))
            shared.task.add_done_callback(_retrieved)
        shared.waiters += 1
        try:
            return await asyncio.shield(shared.task)
        finally:
            shared.waiters -= 1
            if shared.waiters == 0:
                shared.task.cancel()
                if self._in_flight.get(key) is shared:
                    del self._in_flight[key]

    async def _placed(self, pull: Callable[[], Coroutine[object, object, T]]) -> T:
        async with self._places:
            return await pull()

    async def close(self) -> None:
        tasks = [shared.task for shared in self._in_flight.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _retrieved(task: asyncio.Task[T]) -> None:
    """An error whose last waiter was cancelled is nobody's; asyncio would complain."""
    if not task.cancelled():
        task.exception()
