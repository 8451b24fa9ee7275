"""One client connection: bounds what comes before a body, and refuses as a problem, not as text."""

from __future__ import annotations

from typing import TYPE_CHECKING

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from ring.api import problems
from ring.api.problems import Problem

if TYPE_CHECKING:
    import asyncio

_HEAD_BYTES = 64 * 1024
"""Request line and headers."""
_HEAD_S = 10.0
"""Time for one request's line and headers."""
_LINGER_S = 1.0
_LINGER_BYTES = 4 * 1024 * 1024
_TOO_LARGE = Problem(431, f"request line and headers exceed {_HEAD_BYTES} bytes")


class Connection(HttpToolsProtocol):
    """uvicorn's, which has no limits of its own here."""

    _head_bytes = 0
    """Of the line and headers that are complete."""
    _unparsed_bytes = 0
    """Of a line that is not, in headers or trailers: the parser keeps it until it ends."""
    _has_progressed = False
    _head_timer: asyncio.TimerHandle | None = None
    _discarded_bytes: int | None = None
    """Since the refusal."""
    _linger_timer: asyncio.TimerHandle | None = None
    _refusal = Problem(400, "not a valid HTTP request")

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as its base
        super().connection_made(transport)
        self._expect_head()

    def connection_lost(self, exc: Exception | None) -> None:
        self._head_arrived()
        if self._linger_timer is not None:
            self._linger_timer.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._discarded_bytes is not None:
            self._discard(len(data))
            return
        self._has_progressed = False
        super().data_received(data)
        if self._has_progressed:
            return
        self._unparsed_bytes += len(data)
        if self._unparsed_bytes > _HEAD_BYTES:
            self._refusal = _TOO_LARGE
            self.send_400_response("")

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._head_bytes = 0
        self._progress()
        self._expect_head()

    def on_url(self, url: bytes) -> None:
        self._count(len(url))
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        self._count(len(name) + len(value))
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        self._head_arrived()
        self._progress()
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        self._progress()
        super().on_body(body)

    def send_400_response(self, msg: str) -> None:
        """Not into an answer that is still being sent."""
        cycle = self.cycle
        if cycle is not None and cycle.response_started and not cycle.response_complete:
            self.transport.close()
        elif not self.transport.is_closing():
            self._refuse()

    def _refuse(self) -> None:
        """Says why, and hears the client out for a moment: closing while it still sends would
        take the answer away from it."""
        self._head_arrived()
        self._discarded_bytes = 0
        body = problems.body(self._refusal)
        status = self._refusal.status
        head = (
            f"HTTP/1.1 {status} {self._refusal.title}\r\n"
            "content-type: application/problem+json\r\n"
            f"content-length: {len(body)}\r\n"
            "connection: close\r\n\r\n"
        )
        self.transport.write(head.encode() + body)
        self.transport.write_eof()
        self._linger_timer = self.loop.call_later(_LINGER_S, self.transport.abort)

    def _discard(self, size: int) -> None:
        self._discarded_bytes = (self._discarded_bytes or 0) + size
        if self._discarded_bytes > _LINGER_BYTES:
            self.transport.abort()

    def _progress(self) -> None:
        self._has_progressed = True
        self._unparsed_bytes = 0

    def _count(self, size: int) -> None:
        self._head_bytes += size
        if self._head_bytes > _HEAD_BYTES:
            self._refusal = _TOO_LARGE
            # Any exception ends the parsing; the base answers it with send_400_response.
            raise ValueError(self._refusal.detail)

    def _expect_head(self) -> None:
        self._head_arrived()
        self._head_timer = self.loop.call_later(_HEAD_S, self._head_late)

    def _head_arrived(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _head_late(self) -> None:
        self._refusal = Problem(408, f"no complete request within {_HEAD_S:g} s")
        self.send_400_response("")
