"""Server-sent events that end with the client, with their source, or at once with the server."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
from collections import Counter
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

from starlette.responses import Response

from ring.api import capacity
from ring.api.connection import LINK
from ring.api.problems import Problem
from ring.core.errors import HostError

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator, Mapping
    from contextlib import AbstractContextManager

    from starlette.types import Receive, Scope, Send

    from ring.api.connection import Link

KEEP_ALIVE_S = 15.0
KEEP_ALIVE = b":\n\n"
END = b"event: end\ndata: {}\n\n"

_TAKEN_S = 5.0
"""Time for a client to take the end of a stream."""
_TAKEN_AT_STOP_S = 0.5
"""The same when the server stops: one that does not read must not hold it up."""
_MOST_OPEN = 256
"""Streams at once, of events and of long lists."""
_MOST_OF_ONE = 64
"""Of these with the tokens of one user, so that nobody can keep all others out."""

_log = logging.getLogger("ring.api")


def message(entry: object) -> bytes:
    """One entry as one message."""
    text = json.dumps(entry, separators=(",", ":"), ensure_ascii=False)
    return b"data: " + text.encode(errors="replace") + b"\n\n"


class Streams:
    """Ends every open stream when the server stops, and every later one at once."""

    def __init__(self, poll_s: float = 0.5, recheck_s: float = 15.0, gone_s: float = 5.0) -> None:
        self.poll_s = poll_s
        """How often a stream looks at the memory it follows."""
        self.recheck_s = recheck_s
        """How often it is asked whether the caller may still listen, besides when somebody's tokens
        are revoked."""
        self.gone_s = gone_s
        """How often it is asked whether there is still something to tell of; and how long what
        there was to tell may take."""
        self._open: Counter[str] = Counter()
        """By holder."""
        self._channels: Counter[str] = Counter()
        """Those of them that go both ways."""
        self._doubts: dict[str, asyncio.Event] = {}
        """By holder: set when what their tokens have opened may be over."""
        self._closing = asyncio.Event()

    def close(self) -> None:
        self._closing.set()

    def taken_s(self) -> float:
        """How long a client may take over the end of a stream."""
        return _TAKEN_AT_STOP_S if self._closing.is_set() else _TAKEN_S

    async def closed(self) -> None:
        """Waits until the server stops."""
        await self._closing.wait()

    def doubt(self, holder: str) -> None:
        """Some of this holder's tokens have been revoked: whoever listens is asked at once."""
        if doubt := self._doubts.pop(holder, None):
            doubt.set()

    async def doubted(self, holder: str, within_s: float) -> None:
        """Waits until there is a reason to ask again whether the holder may listen, or so long."""
        doubt = self._doubts.setdefault(holder, asyncio.Event())
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(min(within_s, self.recheck_s)):
                await doubt.wait()

    async def gone(self, is_there: Callable[[], object]) -> None:
        """Waits until it is there no more, and then for what may still be said of it."""
        while is_there():  # noqa: ASYNC110 - rare enough, and whoever reads is told at once
            await asyncio.sleep(self.gone_s)
        await asyncio.sleep(self.gone_s)

    def admit(self, holder: str) -> None:
        """Raises 503 where as many are open as may be, in all or of this holder."""
        if self._open[holder] >= _MOST_OF_ONE:
            raise busy(f"{_MOST_OF_ONE} streams of this user are open: end one, or try again later")
        if self._open.total() >= _MOST_OPEN:
            raise busy(f"{_MOST_OPEN} streams are open: end one, or try again later")

    def admit_channel(self, holder: str) -> None:
        """The same for one that goes both ways, of which there may be fewer: nobody has more than
        are left for all others. Raises 409 for whoever would."""
        self.admit(holder)
        own, left = self._channels[holder], capacity.CHANNELS - self.channels
        if left <= 0:
            raise busy(f"{capacity.CHANNELS} channels are open: end one, or try again later")
        if own >= left:
            raise Problem(
                409,
                f"{own} channels of this user are open, and {left} are left for all others: end a "
                "command or a forwarded connection of yours first",
            )

    @property
    def channels(self) -> int:
        """How many are open that go both ways."""
        return self._channels.total()

    @contextmanager
    def counted(self, holder: str) -> Iterator[None]:
        with _one_more(self._open, holder):
            try:
                yield
            finally:
                if self._open[holder] == 1:
                    self._doubts.pop(holder, None)

    @contextmanager
    def channelled(self, holder: str) -> Iterator[None]:
        with self.counted(holder), _one_more(self._channels, holder):
            yield


@contextmanager
def _one_more(counter: Counter[str], holder: str) -> Iterator[None]:
    counter[holder] += 1
    try:
        yield
    finally:
        counter[holder] -= 1
        if not counter[holder]:
            del counter[holder]


def busy(detail: str) -> Problem:
    """What ends by itself, or when somebody else ends something."""
    return Problem(503, detail, headers={"Retry-After": "5"})


class Streamed(Response):
    """Sends what `source` yields, no faster than the client takes it, and closes it.

    A client that takes nothing for a while is cut, unless the answer has no end of its own."""

    def __init__(
        self,
        source: AsyncGenerator[bytes, None],
        headers: Mapping[str, str],
        streams: Streams,
        holder: str,
    ) -> None:
        """For a user, the holder. Raises 503 where too many are open."""
        streams.admit(holder)
        super().__init__(headers=headers)
        del self.headers["content-length"]
        self._source = source
        self._streams = streams
        self._holder = holder
        self._untils: list[Callable[[], Awaitable[None]]] = []
        self._holds: list[AbstractContextManager[object]] = []

    def until(self, event: Callable[[], Awaitable[None]]) -> None:
        """Ends the answer, too, when it returns."""
        self._untils.append(event)

    def holding(self, what: AbstractContextManager[object]) -> None:
        """Enters it before anything is sent, and leaves it when the source is closed."""
        self._holds.append(what)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        with ExitStack() as stack:
            stack.enter_context(self._streams.counted(self._holder))
            for what in self._holds:
                stack.enter_context(what)
            await self._respond(scope, receive, send)

    async def _respond(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send(
            {
                "type": "http.response.start",
                "status": self.status_code,
                "headers": self.raw_headers,
            }
        )
        self._begin(scope)
        ends = [
            asyncio.create_task(self._pump(send)),
            asyncio.create_task(_disconnected(receive)),
        ]
        ends += [asyncio.ensure_future(event()) for event in self._untils]
        try:
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in ends:
                task.cancel()
            results = await asyncio.gather(*ends, return_exceptions=True)
            await self._source.aclose()
        for result in results:
            if isinstance(result, HostError):
                _log.error("a stream ended: %s", result.message)
            elif isinstance(result, Exception):
                _log.error("a stream failed", exc_info=result)
        self._end(scope)
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    def _begin(self, scope: Scope) -> None:
        """After the first word."""
        link = _link(scope)
        if link is not None:
            link.expect_taking()

    def _end(self, scope: Scope) -> None:
        """Before the last word."""

    async def _pump(self, send: Send) -> None:
        clock = asyncio.get_running_loop().time
        spoke_at = clock()
        async for piece in self._source:
            if not piece and clock() - spoke_at < KEEP_ALIVE_S:
                continue
            spoke_at = clock()
            await send(
                {"type": "http.response.body", "body": piece or KEEP_ALIVE, "more_body": True}
            )


class EventStream(Streamed):
    """Server-sent events; an empty piece says that nothing happened.

    Whoever follows may stop reading for as long as there is something to follow."""

    def __init__(
        self,
        source: AsyncGenerator[bytes, None],
        streams: Streams,
        holder: str,
        is_there: Callable[[], object] = lambda: True,
    ) -> None:
        """About something, while it is there. Raises 503 where too many are open."""
        headers = {
            "Content-Type": "text/event-stream",
            "Cache-Control": "no-cache",
            "Referrer-Policy": "no-referrer",
        }
        super().__init__(source, headers, streams, holder)
        self.until(streams.closed)
        self.until(lambda: streams.gone(is_there))

    def _begin(self, scope: Scope) -> None:
        """Nothing is expected of the client."""

    def _end(self, scope: Scope) -> None:
        """A client that does not read would keep the stream open for ever."""
        link = _link(scope)
        if link is not None:
            link.flush_within(self._streams.taken_s())


def _link(scope: Scope) -> Link | None:
    """None: the application is not spoken to over a connection."""
    link: Link | None = scope.get(LINK)
    return link


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
