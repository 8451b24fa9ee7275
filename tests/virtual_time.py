"""An event loop on virtual time: sleeping costs nothing, and a test can wait until all is idle."""

from __future__ import annotations

import asyncio
import selectors
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Coroutine, Mapping
    from typing import Any

T = TypeVar("T")
START = datetime(2027, 3, 2, 8, 0, tzinfo=UTC)


class _Selector(selectors.SelectSelector):
    """Instead of waiting, tells the loop that nothing is ready."""

    loop: VirtualLoop

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None or timeout > 0:
            self.loop.nothing_ready(timeout)
        return []


class VirtualLoop(asyncio.SelectorEventLoop):
    """Time jumps to the next timer when nothing else is to be done."""

    def __init__(self) -> None:
        self._now = 1000.0
        self._idle: asyncio.Future[None] | None = None
        selector = _Selector()
        selector.loop = self
        super().__init__(selector)

    def time(self) -> float:
        return self._now

    def advance(self, seconds: float) -> None:
        """Moves time on; what is due runs when the loop is next entered."""
        self._now += seconds

    async def idle(self) -> None:
        """Returns when every task waits for something other than time that has passed."""
        self._idle = self.create_future()
        await self._idle

    def nothing_ready(self, timeout: float | None) -> None:
        if self._idle is not None:
            waiter, self._idle = self._idle, None
            if not waiter.done():
                waiter.set_result(None)
        elif timeout is None:
            raise RuntimeError("deadlock: nothing is ready and no timer is set")
        else:
            self._now += timeout

    def call_exception_handler(self, context: Mapping[str, Any]) -> None:  # type: ignore[explicit-any,override,unused-ignore]  # the base class's own type
        raise AssertionError(f"unhandled in the loop: {context}")


class VirtualClock:
    """Reads the loop's time; the wall clock can be moved by hand."""

    def __init__(self, loop: VirtualLoop) -> None:
        self._loop = loop
        self.shift = timedelta()
        self.jumps = 0

    def mono(self) -> float:
        """No two readings are the same, as on a real machine."""
        self._loop.advance(1e-7)
        return self._loop.time()

    def jump(self, shift: timedelta) -> None:
        """Somebody sets the wall clock: so far from where it would be."""
        self.shift = shift
        self.jumps += 1

    def wall(self) -> datetime:
        return START + timedelta(seconds=self._loop.time()) + self.shift


def run(loop: VirtualLoop, main: Coroutine[None, None, T]) -> T:
    """Runs to the end on the loop and closes it."""
    try:
        return loop.run_until_complete(main)
    finally:
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.close()
