"""Server-sent events that end with the client, with their source, or at once with the server."""

from __future__ import annotations

import asyncio
import json
import logging
from typing import TYPE_CHECKING

from starlette.responses import Response

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from starlette.types import Receive, Scope, Send

KEEP_ALIVE_S = 15.0
KEEP_ALIVE = b":\n\n"
END = b"event: end\ndata: {}\n\n"

_log = logging.getLogger("ring.api")


def message(entry: object) -> bytes:
    """One entry as one message."""
    text = json.dumps(entry, separators=(",", ":"), ensure_ascii=False)
    return b"data: " + text.encode(errors="replace") + b"\n\n"


class Streams:
    """Ends every open stream when the server stops, and every later one at once."""

    def __init__(self, poll_s: float = 0.5) -> None:
        self.poll_s = poll_s
        """How often a stream looks at the memory it follows."""
        self._closing = asyncio.Event()

    def close(self) -> None:
        self._closing.set()

    async def closed(self) -> None:
        """Waits until the server stops."""
        await self._closing.wait()


class EventStream(Response):
    """Sends what `source` yields; an empty piece says that nothing happened."""

    def __init__(self, source: AsyncIterator[bytes], streams: Streams) -> None:
        super().__init__(
            headers={
                "Content-Type": "text/event-stream",
                "Cache-Control": "no-cache",
                "Referrer-Policy": "no-referrer",
            }
        )
        del self.headers["content-length"]
        self._source = source
        self._streams = streams

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
            asyncio.create_task(self._streams.closed()),
        ]
        try:
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in ends:
                task.cancel()
            results = await asyncio.gather(*ends, return_exceptions=True)
        for result in results:
            if isinstance(result, Exception):
                _log.error("a stream failed", exc_info=result)
        await send({"type": "http.response.body", "body": b"", "more_body": False})

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


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
