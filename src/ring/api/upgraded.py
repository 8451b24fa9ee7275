"""An answer that goes on as a WebSocket: ends with the client, with its work, with the token that
opened it, and at once with the server."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from starlette.responses import Response

from ring.api.connection import LINK
from ring.core.channels import Kind, told
from ring.core.errors import HostError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from starlette.types import Receive, Scope, Send

    from ring.api.connection import Link
    from ring.api.streams import Streams
    from ring.api.websocket import WebSocket

_LOOK_S = 1.0
_PING_S = 15.0
"""A proxy in front forgets a connection on which nothing is said for long."""
_HELD_PING_S = 5.0
"""While nobody takes what the client sends: the end of a client that is gone waits behind that, and
only something that is sent to it brings it out."""
_SILENT_PINGS = 3
"""After so many without an answer the client is gone."""
STOPPED = "the server stops"
_LAPSED = "the token that opened this is not valid any more"
_BROKEN = "internal error; the server log has it"

_log = logging.getLogger("ring.api")


class Upgraded(Response):
    """Does its work over the WebSocket, and says last what that returns."""

    def __init__(
        self,
        headers: Mapping[str, str],
        work: Callable[[WebSocket], Awaitable[bytes]],
        streams: Streams,
        holder: str,
        release: Callable[[], None] = lambda: None,
    ) -> None:
        """release: of what the work was given; called at its end, and where it never begins.

        Raises 503 where the holder, a user, has too many streams open already, or all have."""
        streams.admit_channel(holder)
        super().__init__(status_code=101, headers=headers)
        del self.headers["content-length"]
        self._work = work
        self._streams = streams
        self._holder = holder
        self._release = release
        self._untils: list[Callable[[], Awaitable[None]]] = []

    def until(self, event: Callable[[], Awaitable[None]]) -> None:
        """Ends it, too, when it returns: the token has ended."""
        self._untils.append(event)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        from ring.api.websocket import WebSocket

        link: Link = scope[LINK]
        with self._streams.channelled(self._holder):
            try:
                socket = WebSocket(link.take_over(self._head()))
                await send(
                    {
                        "type": "http.response.start",
                        "status": self.status_code,
                        "headers": self.raw_headers,
                    }
                )
                last = await self._done(socket)
            finally:
                self._release()
            await socket.end(last, self._streams.taken_s())

    def _head(self) -> bytes:
        lines = [b"HTTP/1.1 101 Switching Protocols"]
        lines += [name + b": " + value for name, value in self.raw_headers]
        return b"\r\n".join([*lines, b"", b""])

    async def _done(self, socket: WebSocket) -> bytes:
        work = asyncio.ensure_future(self._work(socket))
        ends: dict[asyncio.Future[bytes] | asyncio.Future[None], str] = {
            work: "",
            asyncio.ensure_future(self._streams.closed()): STOPPED,
            asyncio.ensure_future(_watched(socket)): "",
            **{asyncio.ensure_future(event()): _LAPSED for event in self._untils},
        }
        try:
            done, _ = await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in ends:
                task.cancel()
            results = await asyncio.gather(*ends, return_exceptions=True)
        for result in results:
            if isinstance(result, HostError):
                _log.error("a channel failed: %s", result.message)
            elif isinstance(result, Exception) and not isinstance(result, ConnectionError):
                _log.error("a channel failed", exc_info=result)
        if work in done and work.exception() is None:
            return work.result()
        return told(Kind.STATUS, error=next((ends[one] for one in done if ends[one]), _BROKEN))


async def _watched(socket: WebSocket) -> None:
    """Returns when the client is gone without a word.

    While it takes nothing, or nobody takes what it sends, only the system can tell.
    """
    clock = asyncio.get_running_loop().time
    silent, pinged_at = 0, clock()
    while silent < _SILENT_PINGS:
        await asyncio.sleep(_LOOK_S)
        if socket.is_hung_up:
            return
        if clock() - pinged_at < (_PING_S if socket.is_listening else _HELD_PING_S):
            continue
        pinged_at = clock()
        is_telling = socket.is_listening and not socket.is_blocked
        silent = silent + 1 if is_telling and not socket.has_heard else 0
        socket.has_heard = False
        if not socket.is_blocked:
            await socket.ping()
