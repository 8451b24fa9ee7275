"""An instance's log to lines: the last ones, those since a time, and those that come."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Final

from ring.core.model.failures import FailureClass
from ring.runtimes.base import FellBehind, RuntimeFailure
from ring.runtimes.containerd.logs import changes
from ring.runtimes.containerd.logs.decoder import Decoder
from ring.runtimes.containerd.logs.locating import start
from ring.runtimes.containerd.logs.places import log_file
from ring.runtimes.containerd.logs.trail import Overtaken, Trail

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
    from pathlib import Path

    from ring.core.model.ids import InstanceId
    from ring.core.model.logs import LogLine, LogQuery, Stream
    from ring.runtimes.containerd.logs.locating import Start

_READ_BYTES: Final = 256 * 1024
_BATCH_BYTES: Final = 32 * 1024
"""So much is turned into lines at once."""
_ASK_S: Final = 0.5
"""How often a silent instance is asked whether it has ended."""
_REST_S: Final = 0.01
"""Between looks at a log that is written to often, line by line."""


async def read(
    log_dir: Path,
    instance_id: InstanceId,
    query: LogQuery,
    is_over: Callable[[], Awaitable[bool]],
) -> AsyncGenerator[Sequence[LogLine], None]:
    """As ring.runtimes.base.Logs, of an instance that there is.

    `is_over` tells whether nothing more gets into the log: the instance has ended, and the log
    keeper has drained it. It is asked now and then while there is nothing new, and its errors are
    raised.

    Raises FellBehind where a follower was so slow that files it had not read are gone, and
    RuntimeFailure where the log cannot be read.
    """
    try:
        async with contextlib.aclosing(_read(log_dir, instance_id, query, is_over)) as batches:
            async for lines in batches:
                yield lines
    except Overtaken as error:
        raise FellBehind("the log was written faster than it was read") from error
    except OSError as error:
        message = f"cannot read the logs of instance {instance_id}: {error}"
        raise RuntimeFailure(FailureClass.OTHER, message) from error


async def _read(
    log_dir: Path,
    instance_id: InstanceId,
    query: LogQuery,
    is_over: Callable[[], Awaitable[bool]],
) -> AsyncGenerator[Sequence[LogLine], None]:
    trail = Trail(log_file(log_dir, instance_id))
    with contextlib.closing(trail):
        begin = await asyncio.to_thread(_begin, trail, query)
        has_ended = begin.skipped_for_rest > 0 and not query.follow and await is_over()
        wanted = _Wanted(query, begin, with_rest=has_ended)
        decoder = Decoder()
        if query.follow:
            written = _follow(trail, is_over)
        else:
            written = _present(trail, trail.size - begin.position)
        async with contextlib.aclosing(written) as blocks:
            async for block in blocks:
                for place in range(0, len(block), _BATCH_BYTES):
                    if lines := wanted.of(decoder.feed(block[place : place + _BATCH_BYTES])):
                        yield lines
        # A line that is not complete yet is told once it is.
        is_whole = not decoder.is_open or not (query.follow or has_ended or await is_over())
        if not is_whole and (lines := wanted.of(decoder.end())):
            yield lines


def _begin(trail: Trail, query: LogQuery) -> Start:
    with trail.held():
        trail.open()
        begin = start(trail, query)
        trail.begin_at(begin.position)
        return begin


async def _present(trail: Trail, left: int) -> AsyncGenerator[bytes, None]:
    """What there was when the log was opened."""
    while left > 0:
        block = await asyncio.to_thread(trail.read, min(left, _READ_BYTES))
        if not block:
            return
        left -= len(block)
        yield block


async def _follow(
    trail: Trail, is_over: Callable[[], Awaitable[bool]]
) -> AsyncGenerator[bytes, None]:
    """What there is and what comes, until there is nothing more once it is over."""
    has_ended = False
    rest = _Rest()
    with changes.shared() as news:
        while True:
            block = await asyncio.to_thread(trail.read, _READ_BYTES)
            if not block and not has_ended:
                with news.watch(*trail.watched) as change:
                    # What came before it was watched.
                    block = await asyncio.to_thread(trail.read, _READ_BYTES)
                    if not block and not await _comes(change):
                        has_ended = await is_over()
                if not block:
                    await rest.take()
                    continue
            if not block:
                return
            yield block


async def _comes(change: asyncio.Future[None] | None) -> bool:
    """Whether there was news, or may have been."""
    if change is None:
        await asyncio.sleep(changes.POLL_S)
        return False
    try:
        async with asyncio.timeout(_ASK_S):
            await change
    except TimeoutError:
        return False
    return True


class _Rest:
    """So that an instance that writes line by line is not read line by line."""

    def __init__(self) -> None:
        self._until = 0.0

    async def take(self) -> None:
        """None where the last one is long ago."""
        loop = asyncio.get_running_loop()
        if (left := self._until - loop.time()) > 0:
            await asyncio.sleep(left)
        self._until = loop.time() + _REST_S


class _Wanted:
    """Of the lines that follow where a reading begins, those that were asked for."""

    def __init__(self, query: LogQuery, begin: Start, *, with_rest: bool) -> None:
        """with_rest: what has no end yet is told, too."""
        self._since = query.since
        self._skipped = begin.skipped + (begin.skipped_for_rest if with_rest else 0)
        self._broken: set[Stream] = set(begin.broken)

    def of(self, lines: Sequence[LogLine]) -> Sequence[LogLine]:
        if self._skipped:
            skipped = min(self._skipped, len(lines))
            self._skipped -= skipped
            lines = lines[skipped:]
        if self._broken:
            lines = [line for line in lines if not self._is_broken(line.stream)]
        since = self._since
        if since is None:
            return lines
        return [line for line in lines if line.at is None or line.at >= since]

    def _is_broken(self, stream: Stream) -> bool:
        """The first line of such a stream."""
        if stream not in self._broken:
            return False
        self._broken.remove(stream)
        return True
