"""One instance's lines on their way to a reader, resumed where the engine breaks off."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import TYPE_CHECKING

from ring.core.logs import Bookmark, records
from ring.core.model.logs import LogGap, LogQuery
from ring.runtimes.base import FellBehind, Gone, RuntimeFailure, Unavailable

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ring.core.model.logs import LogLine, Stream
    from ring.core.model.observed import Instance
    from ring.engine.reading.backlog import Backlog
    from ring.engine.reading.logs import Wanted
    from ring.runtimes import base

log = logging.getLogger(__name__)

LOOK_S = 0.5
"""How often a follower looks whether its deployment is over."""
RETRY_S = 2.0
TURN_CHARACTERS = 64 * 1024
LINE_CHARACTERS = 256
"""What a line costs beside its text."""


class Turn:
    """What one reading may do before everything else has its turn: an engine hands out thousands of
    lines at once, and those of many readers would keep the loop from its other work."""

    def __init__(self) -> None:
        self._left = TURN_CHARACTERS

    async def take(self, lines: Sequence[LogLine]) -> None:
        """After something was done with these."""
        self._left -= sum([len(line.message) for line in lines]) + LINE_CHARACTERS * len(lines)
        if self._left < 0:
            self._left = TURN_CHARACTERS
            await asyncio.sleep(0)


class Reading:
    """One instance's lines on their way to a reader, resumed where the engine broke off."""

    def __init__(
        self, runtime: base.Logs, instance: Instance, wanted: Wanted, backlog: Backlog
    ) -> None:
        self.task: asyncio.Task[None] | None = None
        self._runtime = runtime
        self._instance = instance
        self._wanted = wanted
        self._backlog = backlog
        self._bookmark: Bookmark[Stream] = Bookmark()
        self._turn = Turn()
        self._is_timed = True
        self._is_refused = False
        self._ended_at = 0.0

    @property
    def is_done(self) -> bool:
        return self.task is not None and self.task.done()

    @property
    def is_under_way(self) -> bool:
        return self.task is not None and not self.task.done()

    def begin(self, ended: Callable[[], None]) -> None:
        self.task = asyncio.create_task(self._run())
        self.task.add_done_callback(lambda _: ended())

    def may_begin(self, *, is_live: bool) -> bool:
        """It has not yet; or it ended, and not just now: who tells that the instance lives may not
        know yet."""
        if self.task is None:
            return True
        now = asyncio.get_running_loop().time()
        has_ended = self.is_done and now - self._ended_at >= LOOK_S
        return is_live and has_ended and not self._is_refused

    async def _run(self) -> None:
        try:
            while True:
                try:
                    await self._read(follow=True)
                    if self._is_timed:
                        # An engine may end what is followed before the last words are out.
                        await self._read(follow=False)
                except FellBehind:
                    continue
                except Unavailable:
                    await asyncio.sleep(RETRY_S)
                else:
                    return
        except Gone:
            return
        except RuntimeFailure as error:
            self._is_refused = True
            log.warning("cannot follow the logs of %s: %s", self._instance.name, error)
        finally:
            self._ended_at = asyncio.get_running_loop().time()

    async def _read(self, *, follow: bool) -> None:
        batches = self._runtime.logs(self._instance.id, self._query(follow=follow))
        async with contextlib.aclosing(batches):
            async for lines in batches:
                self._is_timed = lines[-1].at is not None
                fresh = self._bookmark.fresh(lines)
                for stream, after, before in self._bookmark.gaps():
                    self._backlog.tell(LogGap(self._instance.name, stream, after, before))
                if fresh:
                    await self._backlog.put(records(self._instance.name, fresh))
                await self._turn.take(lines)

    def _query(self, *, follow: bool) -> LogQuery:
        since = self._bookmark.since()
        self._bookmark.resume()
        if since is None:
            return LogQuery(self._wanted.tail, self._wanted.since, follow)
        return LogQuery(None, since, follow)
