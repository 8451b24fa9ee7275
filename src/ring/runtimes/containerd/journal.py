"""containerd's events, kept for a while: it tells each once, to those who listen just then.

One subscription feeds them to all who follow, so that whoever comes a moment later, or again, is
told what happened since; and what was missed for good is known to be.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from ring.runtimes.base import Resync, RuntimeFailure

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable

    from ring.runtimes.base import RuntimeEvent, Unavailable

KEPT: Final = 4096
"""Events, the newest."""


class Journal:
    """Of one runtime. Loop thread only."""

    def __init__(
        self,
        subscribe: Callable[[Callable[[], None]], AsyncGenerator[RuntimeEvent, None]],
        unavailable: Callable[[str], Unavailable],
        kept: int = KEPT,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """subscribe: a new subscription, which calls its argument once nothing is missed any more;
        it ends by raising Unavailable."""
        self._subscribe = subscribe
        self._unavailable = unavailable
        self._kept: deque[RuntimeEvent] = deque(maxlen=kept)
        self._now = now
        self._complete_from = now()
        """From when on nothing is missed."""
        self._listening: asyncio.Task[None] | None = None
        self._is_listening = asyncio.Event()
        self._followers: set[asyncio.Queue[RuntimeEvent | None]] = set()

    async def begin(self) -> None:
        """What happens from now on is kept. Raises Unavailable."""
        if self._listening is None or self._listening.done():
            self._kept.clear()
            self._is_listening = asyncio.Event()
            self._listening = asyncio.create_task(self._listen(self._is_listening))
        begun, listening = asyncio.create_task(self._is_listening.wait()), self._listening
        try:
            await asyncio.wait((begun, listening), return_when=asyncio.FIRST_COMPLETED)
        finally:
            begun.cancel()
        if listening.done():
            if not self._is_listening.is_set():
                await listening
            raise self._unavailable("it ended its event stream")

    async def follow(self, since: datetime | None) -> AsyncGenerator[RuntimeEvent, None]:
        """What was kept from `since` on, then what comes; before both a Resync where something may
        have happened since that nobody was told of. Ends by raising Unavailable."""
        await self.begin()
        queue: asyncio.Queue[RuntimeEvent | None] = asyncio.Queue()
        kept = [] if since is None else [event for event in self._kept if _is_since(event, since)]
        self._followers.add(queue)
        try:
            if since is not None and since < self._complete_from:
                yield Resync("what happened before was not told")
            for event in kept:
                yield event
            while (told := await queue.get()) is not None:
                yield told
        finally:
            self._followers.discard(queue)
        raise self._unavailable("it ended its event stream")

    def note(self, event: RuntimeEvent) -> None:
        """Something that the adapter itself has seen."""
        self._kept.append(event)
        for queue in self._followers:
            queue.put_nowait(event)

    async def close(self) -> None:
        if self._listening is not None:
            self._listening.cancel()
            await asyncio.gather(self._listening, return_exceptions=True)

    async def _listen(self, is_listening: asyncio.Event) -> None:
        def ready() -> None:
            self._complete_from = self._now()
            is_listening.set()

        try:
            async with contextlib.aclosing(self._subscribe(ready)) as stream:
                async for event in stream:
                    self.note(event)
        except RuntimeFailure:
            if not is_listening.is_set():
                raise
        finally:
            for queue in self._followers:
                queue.put_nowait(None)


def _is_since(event: RuntimeEvent, since: datetime) -> bool:
    return not isinstance(event, Resync) and event.at >= since
