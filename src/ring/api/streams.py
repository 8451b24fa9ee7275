"""Server-sent events that end with the client, with their source, or at once with the server."""

from __future__ import annotations

import asyncio
import json
import logging
from contextlib import contextmanager
from typing import TYPE_CHECKING

from starlette.responses import Response

from ring.api.connection import LINGERS
from ring.api.problems import Problem
from ring.core.errors import HostError

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator, Mapping

    from starlette.types import Receive, Scope, Send

KEEP_ALIVE_S = 15.0
KEEP_ALIVE = b":\n\n"
END = b"event: end\ndata: {}\n\n"

_TAKEN_S = 5.0
"""Time for a client to take the end of a stream."""
_TAKEN_AT_STOP_S = 0.5
"""The same when the server stops: one that does not read must not hold it up."""
_MOST_OPEN = 256
"""Event streams at once."""

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
        """How often it is asked whether the caller may still listen."""
        self.gone_s = gone_s
        """How often it is asked whether there is still something to tell of; and how long what
        there was to tell may take."""
        self._open = 0
        self._closing = asyncio.Event()

    def close(self) -> None:
        self._closing.set()

    def taken_s(self) -> float:
        """How long a client may take over the end of a stream."""
        return _TAKEN_AT_STOP_S if self._closing.is_set() else _TAKEN_S

    async def closed(self) -> None:
        """Waits until the server stops."""
        await self._closing.wait()

    async def gone(self, is_there: Callable[[], object]) -> None:
        """Waits until it is there no more, and then for what may still be said of it."""
        while is_there():  # noqa: ASYNC110 - rare enough, and whoever reads is told at once
            await asyncio.sleep(self.gone_s)
        await asyncio.sleep(self.gone_s)

    def admit(self) -> None:
        """Raises 503 where as many are open as may be."""
        if self._open >= _MOST_OPEN:
            raise Problem(
                503,
                f"{_MOST_OPEN} streams are open: end one, or try again later",
                headers={"Retry-After": "5"},
            )

    @contextmanager
    def counted(self) -> Iterator[None]:
        self._open += 1
        try:
            yield
        finally:
            self._open -= 1


class Streamed(Response):
    """Sends what `source` yields, no faster than the client takes it, and closes it."""

    def __init__(
        self,
        source: AsyncGenerator[bytes, None],
        headers: Mapping[str, str],
    ) -> None:
        super().__init__(headers=headers)
        del self.headers["content-length"]
        self._source = source
        self._untils: list[Callable[[], Awaitable[None]]] = []

    def until(self, event: Callable[[], Awaitable[None]]) -> None:
        """Ends the answer, too, when it returns."""
        self._untils.append(event)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send(
            {
                "type": "http.response.start",
                "status": self.status_code,
                "headers": self.raw_headers,
            }
        )
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
    """Server-sent events; an empty piece says that nothing happened."""

    def __init__(
        self,
        source: AsyncGenerator[bytes, None],
        streams: Streams,
        is_there: Callable[[], object] = lambda: True,
    ) -> None:
        """About something, while it is there. Raises 503 where too many are open."""
        streams.admit()
        headers = {
            "Content-Type": "text/event-stream",
            "Cache-Control": "no-cache",
            "Referrer-Policy": "no-referrer",
        }
        super().__init__(source, headers)
        self.until(streams.closed)
        self.until(lambda: streams.gone(is_there))
        self._streams = streams

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        with self._streams.counted():
            await super().__call__(scope, receive, send)

    def _end(self, scope: Scope) -> None:
        """A client that does not read would keep the stream open for ever."""
        lingers = scope.get(LINGERS)
        if lingers is not None:
            lingers(self._streams.taken_s())


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
