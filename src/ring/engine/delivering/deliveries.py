"""Delivers outbound events: each hook by itself, so that one that hangs holds up no other.

What is to be delivered, and how it went, stands in the store alone. A killed server has lost
nothing then, and repeats only what was under way.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from functools import partial
from typing import TYPE_CHECKING, Final

from ring.core.errors import HostError, RingError
from ring.core.webhooks import retries
from ring.engine.delivering.lanes import Lane
from ring.engine.store_outage import Backoff

if TYPE_CHECKING:
    from ring.clock import Clock
    from ring.engine.delivering.posting import Post
    from ring.store.webhooks import Due, Webhooks

log = logging.getLogger(__name__)

BATCH: Final = 50
"""Due events of one hook that are looked at, and deliveries that one pass begins."""
MOST_AT_ONCE: Final = 128
TIDY_EVERY_S: Final = 3600.0
CLOCK_STEP_S: Final = 1.0


class Deliveries:
    """Woken when something is queued; looks for what has become due every `interval_s`."""

    def __init__(
        self, hooks: Webhooks, clock: Clock, post: Post, *, interval_s: float = 10.0
    ) -> None:
        self._hooks = hooks
        self._clock = clock
        self._post = post
        self._interval_s = max(1.0, interval_s)
        self._lanes: dict[str, Lane] = {}
        """Of the hooks to which something is under way, or whose last attempt failed."""
        self._dirty: dict[str, None] = {}
        """Hooks that may have something due, in the order in which they are served."""
        self._changed = asyncio.Event()
        self._under_way = 0
        self._is_draining = False
        self._tidied_at: float | None = None
        self._offset_s: float | None = None
        """Of the wall clock from the monotonic one, when it was last looked at."""
        hooks.listen(self._queued, self._revoked)

    async def run(self) -> None:
        async with asyncio.TaskGroup() as group:
            while True:
                await self._look_after()
                deadline = self._clock.mono() + self._interval_s
                while (left_s := deadline - self._clock.mono()) > 0:
                    self._changed.clear()
                    self._pass(group)
                    with contextlib.suppress(TimeoutError):
                        async with asyncio.timeout(left_s):
                            await self._changed.wait()

    async def drain(self, timeout_s: float) -> None:
        """Begins nothing more; returns when nothing is under way, or after `timeout_s`."""
        self._is_draining = True
        tasks = [task for lane in self._lanes.values() for task in lane.tasks]
        if tasks:
            await asyncio.wait(tasks, timeout=timeout_s)

    # what is told by the store
    def _queued(self, hooks: frozenset[str]) -> None:
        self._dirty |= dict.fromkeys(sorted(hooks - self._dirty.keys()))
        self._changed.set()

    def _revoked(self, hook: str) -> None:
        """Nothing more is sent to it, not even what is under way."""
        lane = self._lanes.pop(hook, None)
        if lane is not None:
            lane.cancel()

    # the loop
    async def _look_after(self) -> None:
        """Time alone may have made something due; and the queue is kept short."""
        try:
            await self._mind_the_clock()
            for hook in self._hooks.active():
                self._dirty.setdefault(hook)
            now = self._clock.mono()
            if self._tidied_at is None or now - self._tidied_at >= TIDY_EVERY_S:
                self._tidied_at = now
                await self._hooks.purge(self._clock.wall())
        except HostError as error:
            log.warning("outbound events wait: %s", error.message)

    async def _mind_the_clock(self) -> None:
        offset_s = self._clock.wall().timestamp() - self._clock.mono()
        known_s, self._offset_s = self._offset_s, offset_s
        if known_s is None or offset_s < known_s - CLOCK_STEP_S:
            await self._hooks.pull_forward(self._clock.wall())

    def _pass(self, group: asyncio.TaskGroup) -> None:
        """Begins what may be begun: at most BATCH, each hook in its turn."""
        begun = 0
        for hook in list(self._dirty):
            room = min(BATCH - begun, MOST_AT_ONCE - self._under_way)
            if self._is_draining or room <= 0:
                break
            del self._dirty[hook]
            begun += self._serve(group, hook, room)
        if begun >= BATCH and self._dirty:
            self._changed.set()

    def _serve(self, group: asyncio.TaskGroup, hook: str, room: int) -> int:
        """How many deliveries to this hook were begun."""
        lane = self._lanes.get(hook) or Lane()
        if lane.free <= 0:
            return 0  # it is looked at again when one of them ends
        try:
            due = self._hooks.due(hook, self._clock.wall(), BATCH)
        except HostError as error:
            log.warning("outbound events wait: %s", error.message)
            return 0
        chosen = lane.chosen(due)[:room]
        for one in chosen:
            task = group.create_task(self._deliver(hook, lane, one))
            task.add_done_callback(partial(self._ended, hook, lane, one))
            lane.begin(one, task)
            self._lanes[hook] = lane
            self._under_way += 1
        if len(chosen) == room:
            self._dirty.setdefault(hook)
        return len(chosen)

    # one delivery
    async def _deliver(self, hook: str, lane: Lane, due: Due) -> None:
        try:
            error = await self._attempt(hook, due)
        except HostError as failure:  # the store cannot be read: no attempt was made
            log.warning("outbound events wait: %s", failure.message)
            await asyncio.sleep(Backoff().failed())
            return
        lane.is_healthy = error is None
        await self._settle(hook, due, error)

    def _ended(self, hook: str, lane: Lane, due: Due, _: asyncio.Task[None]) -> None:
        """Also of one that was given up before it had begun."""
        lane.end(due)
        self._under_way -= 1
        if not lane.tasks and lane.is_healthy:
            self._lanes.pop(hook, None)
        self._dirty.setdefault(hook)
        self._changed.set()

    async def _attempt(self, hook: str, due: Due) -> str | None:
        """Why it failed; None: it was taken, or the hook is no more. Raises HostError."""
        try:
            target = self._hooks.target(hook)
            if target is not None:
                await self._post(target, due)
        except HostError:
            raise
        except RingError as error:
            return error.message
        except Exception:
            # A defect is no reason to send the same again at once.
            log.exception("delivering event %s to webhook %s failed", due.event_id, hook)
            return "internal error; the server's log has it"
        return None

    async def _settle(self, hook: str, due: Due, error: str | None) -> None:
        """Holds the hook's place until it is stored: else the same would be sent again at once."""
        backoff = Backoff()
        while True:
            try:
                is_dead = await self._hooks.settle(hook, due, error)
            except HostError as failure:
                wait_s = backoff.failed()
                log.warning(
                    "how webhook %s took event %s cannot be stored, and is tried again: %s",
                    hook,
                    due.event_id,
                    failure.message,
                )
                await asyncio.sleep(wait_s)
                continue
            if is_dead:
                log.error(
                    "event %s (%s) is dead: webhook %s did not take it in %d attempts: %s",
                    due.event_id,
                    due.kind,
                    hook,
                    retries.MOST_ATTEMPTS,
                    error,
                )
            return
