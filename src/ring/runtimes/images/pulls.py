"""One pull for one image at a time, shared by everybody who waits for it; a few at once, and never
all of them from one registry."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar
from weakref import WeakValueDictionary

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Hashable


T = TypeVar("T")

MOST_AT_ONCE = 4
"""More would slow each other down, and the engine's own answers with them."""
MOST_OF_ONE = MOST_AT_ONCE - 1
"""From one registry: however slow it is, a place is left to the others."""


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
        self._shares: WeakValueDictionary[str, asyncio.Semaphore] = WeakValueDictionary()

    async def join(
        self, key: Hashable, registry: str | None, pull: Callable[[], Coroutine[object, object, T]]
    ) -> T:
        """What comes of the pull of this key, starting it if none runs. Raises what it raises.

        It waits for a place first while MOST_AT_ONCE others run, or MOST_OF_ONE that ask the same
        registry. registry: None if it asks none.
        """
        shared = self._in_flight.get(key)
        if shared is None:
            task = asyncio.create_task(self._placed(registry, pull))
            shared = self._in_flight[key] = _Shared(task)
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

    async def _placed(
        self, registry: str | None, pull: Callable[[], Coroutine[object, object, T]]
    ) -> T:
        if registry is None:
            async with self._places:
                return await pull()
        share = self._shares.setdefault(registry, asyncio.Semaphore(MOST_OF_ONE))
        # In this order: whoever waits for its share takes no place meanwhile.
        async with share, self._places:
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
