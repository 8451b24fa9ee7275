"""Which groups want a pass, and when: equal wake-ups coalesce, timers keep the earliest."""

from __future__ import annotations

import asyncio
import heapq
from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ring.clock import Clock
    from ring.core.model.ids import GroupKey


class Wakeups:
    """A queue of groups in which each stands at most once. Loop thread only."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._ready: deque[GroupKey] = deque()
        self._queued: set[GroupKey] = set()
        self._timers: list[tuple[float, GroupKey]] = []
        self._earliest: dict[GroupKey, float] = {}
        self._changed = asyncio.Event()

    def wake(self, key: GroupKey) -> None:
        """A pass as soon as possible."""
        if key not in self._queued:
            self._queued.add(key)
            self._ready.append(key)
            self._changed.set()

    def wake_at(self, key: GroupKey, at: float) -> None:
        """A pass at this monotonic time; an earlier one that is set stays."""
        known = self._earliest.get(key)
        if known is not None and known <= at:
            return
        self._earliest[key] = at
        heapq.heappush(self._timers, (at, key))
        self._changed.set()

    async def next(self) -> GroupKey:
        """The next group whose pass is due."""
        while True:
            self._collect_due()
            if self._ready:
                key = self._ready.popleft()
                self._queued.discard(key)
                return key
            self._changed.clear()
            wait_s = self._timers[0][0] - self._clock.mono() if self._timers else None
            try:
                async with asyncio.timeout(wait_s):
                    await self._changed.wait()
            except TimeoutError:
                continue

    def _collect_due(self) -> None:
        now = self._clock.mono()
        while self._timers and self._timers[0][0] <= now:
            at, key = heapq.heappop(self._timers)
            if self._earliest.get(key) == at:
                del self._earliest[key]
                self.wake(key)
