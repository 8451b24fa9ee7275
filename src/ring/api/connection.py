"""One client connection: bounds its number, its time and what comes before a body, and refuses as
a problem, not as text."""

from __future__ import annotations

import contextlib
import fcntl
import socket
import sys
import termios
from collections import deque
from http import HTTPStatus
from typing import TYPE_CHECKING, Protocol

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from ring.api import capacity, problems
from ring.api.duplex import Duplex
from ring.api.problems import Problem
from ring.security.peers import LOOPBACK, peer_of

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

    from starlette.types import Message, Receive, Scope, Send
    from uvicorn.config import Config
    from uvicorn.protocols.http.httptools_impl import RequestResponseCycle
    from uvicorn.server import ServerState

_HEAD_BYTES = 64 * 1024
"""Request line and headers."""
_HEAD_S = 10.0
"""Time for one request's line and headers."""
LINK = "ring.link"
"""In a request's scope: the Link its answer goes out by."""
_IDLE_S = 30.0
"""A client that takes nothing of an answer for so long is gone, or means to hold it."""
_LINGER_S = 1.0
_LINGER_BYTES = 4 * 1024 * 1024
_KEEP_ALIVE = {socket.TCP_KEEPIDLE: 30, socket.TCP_KEEPINTVL: 10, socket.TCP_KEEPCNT: 3}
_TOO_LARGE = Problem(431, f"request line and headers exceed {_HEAD_BYTES} bytes")
_NO_BODY = Problem(400, "a request with a body may not ask for an upgrade: send no `Upgrade`")
_TOO_MANY = Problem(503, "too many connections; try again", headers={"Retry-After": "1"})


class Link(Protocol):
    """What an answer may ask of its connection."""

    def flush_within(self, seconds: float) -> None:
        """Ends it if what was sent before has not been taken by then."""
        ...

    def expect_taking(self) -> None:
        """Ends it when the client takes nothing for a while of what there is for it."""
        ...

    def take_over(self, head: bytes) -> Duplex:
        """Speaks HTTP no more; `head` is the last of it. For a request without a body.

        Of a client that is gone already, or has been refused, nothing comes."""
        ...


class Connection(HttpToolsProtocol):
    """uvicorn's, which has no limits of its own here."""

    peer = ""
    _head_bytes = 0
    """Of the line and headers that are complete."""
    _unparsed_bytes = 0
    """Of a line that is not, in headers or trailers: the parser keeps it until it ends."""
    _has_progressed = False
    _head_timer: asyncio.TimerHandle | None = None
    _discarded_bytes: int | None = None
    """Since the last answer of this connection."""
    _linger_timer: asyncio.TimerHandle | None = None
    _flush_timer: asyncio.TimerHandle | None = None
    """Of answers that are whole, or that nobody but the client keeps from being so."""
    _refusal = Problem(400, "not a valid HTTP request")
    _is_last = False
    """The answer under way was started before its request had ended."""
    _duplex: Duplex | None = None
    """What it has become, once it has stopped speaking HTTP."""

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, object],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._cycles: deque[RequestResponseCycle] = deque()
        """Requests without a complete answer; the first one is being answered."""
        self._inner = self.app
        self.app = self._answer

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as its base
        super().connection_made(transport)
        self.peer = peer_of(self.client[0]) if self.client else ""
        excess = len(self.connections) - capacity.most_connections()
        if excess > capacity.SPARE:
            transport.abort()
        elif excess > 0 or self._is_crowd():
            self._refusal = _TOO_MANY
            self._refuse()
        else:
            self._expect_head()

    def connection_lost(self, exc: Exception | None) -> None:
        self._head_arrived()
        for timer in (self._linger_timer, self._flush_timer):
            if timer is not None:
                timer.cancel()
        self._abandon()
        if self._duplex is not None:
            self._duplex.lost()
        super().connection_lost(exc)

    def take_over(self, head: bytes) -> Duplex:
        duplex = Duplex(self.transport, self.flow)
        if self._is_over() or self.transport.is_closing():  # while the answer was being made
            duplex.lost()
            return duplex
        for timer in (self._linger_timer, self._flush_timer):
            if timer is not None:
                timer.cancel()
        self._head_arrived()
        _keep_alive(self.transport)
        self._abandon()  # the base gives no answer to what it takes for a client that is gone
        self.transport.write(head)
        self.flow.resume_reading()
        self._duplex = duplex
        return duplex

    def _unsupported_upgrade_warning(self) -> None:
        """Whoever cannot be spoken to otherwise is answered as if they had not asked."""

    def data_received(self, data: bytes) -> None:
        if self._duplex is not None:
            self._duplex.feed(data)
            return
        if self._is_over():
            self._discard(len(data))
            return
        self._has_progressed = False
        super().data_received(data)
        if self._is_over():
            return
        if not self._cycles and self._head_timer is None:
            # The base waits no longer once anything has come, were it only an empty line.
            self._expect_head()
        if self._has_progressed:
            return
        self._unparsed_bytes += len(data)
        if self._unparsed_bytes > _HEAD_BYTES:
            self._refusal = _TOO_LARGE
            self.send_400_response("")

    def on_message_begin(self) -> None:
        super().on_message_begin()
        # Whoever asks again need not have taken the answer before.
        if self._flush_timer is not None and self.transport.get_write_buffer_size() == 0:
            self._flush_timer.cancel()
            self._flush_timer = None
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
        if self.parser.should_upgrade() and self._has_body():
            # The parser would take the body for what comes next: whoever is behind a proxy could
            # put a request of theirs before that of somebody else.
            self._refusal = _NO_BODY
            raise ValueError(self._refusal.detail)
        super().on_headers_complete()
        self._cycles.append(self.cycle)

    def on_body(self, body: bytes) -> None:
        self._progress()
        super().on_body(body)

    def on_response_complete(self) -> None:
        self._cycles.popleft()
        if self._is_last and not self.transport.is_closing():
            self._linger()
            return
        if self._flush_timer is None and self.transport.get_write_buffer_size():
            self._watch(None)
        super().on_response_complete()

    def send_400_response(self, msg: str) -> None:
        """Not into an answer that is still being sent."""
        if self._cycles and self._cycles[0].response_started:
            self.transport.close()
        elif not self.transport.is_closing():
            self._refuse()

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        """As the application does, but an answer that does not wait for its request is the last."""
        if not self._cycles:  # refused before its turn came
            return
        cycle = self._cycles[0]

        async def send_last(message: Message) -> None:
            if message.get("status") == HTTPStatus.SWITCHING_PROTOCOLS:
                return  # told to those around the application; it was said by take_over
            if message["type"] != "http.response.start" or not cycle.more_body:
                await send(message)
                return
            headers = [each for each in message["headers"] if each[0].lower() != b"connection"]
            await send({**message, "headers": [*headers, (b"connection", b"close")]})
            self._is_last = True
            # The base would close at once after the answer, and so take it from a client that
            # is still sending.
            cycle.keep_alive = True

        await self._inner({**scope, LINK: self}, receive, send_last)

    def _refuse(self) -> None:
        self._abandon()
        body = problems.body(self._refusal)
        status = self._refusal.status
        extra = "".join(f"{name}: {value}\r\n" for name, value in self._refusal.headers.items())
        head = (
            f"HTTP/1.1 {status} {self._refusal.title}\r\n"
            "content-type: application/problem+json\r\n"
            f"content-length: {len(body)}\r\n{extra}"
            "connection: close\r\n\r\n"
        )
        self.transport.write(head.encode() + body)
        self._linger()

    def _linger(self) -> None:
        """Ends our side, and hears the client out for a moment: closing while it still sends would
        take the answer away from it."""
        self._head_arrived()
        self._discarded_bytes = 0
        self.flow.resume_reading()
        self.transport.write_eof()
        self._linger_timer = self.loop.call_later(_LINGER_S, self.transport.abort)

    def flush_within(self, seconds: float) -> None:
        self._flush_by(seconds, self._cut_if_unflushed)

    def expect_taking(self) -> None:
        self._watch(self._cycles[0] if self._cycles else None)

    def _watch(self, answer: RequestResponseCycle | None) -> None:
        """Until all is taken, and the answer is whole if it is not yet."""
        untaken = self._untaken()
        self._flush_by(_IDLE_S, lambda: self._cut_if_idle(answer, untaken))

    def _flush_by(self, seconds: float, then: Callable[[], None]) -> None:
        if self._flush_timer is not None:
            self._flush_timer.cancel()
        self._flush_timer = self.loop.call_later(seconds, then)

    def _cut_if_unflushed(self) -> None:
        self._flush_timer = None
        if self.transport.get_write_buffer_size():
            self.transport.abort()

    def _cut_if_idle(self, answer: RequestResponseCycle | None, untaken_before: int) -> None:
        self._flush_timer = None
        is_waiting = self.transport.get_write_buffer_size() > 0
        if is_waiting and self._untaken() == untaken_before:
            self.transport.abort()
        elif is_waiting or (answer is not None and answer in self._cycles):
            self._watch(answer)

    def _untaken(self) -> int:
        """Bytes that the client has not acknowledged. The kernel frees its share in large pieces:
        without it a slow client would seem to take nothing."""
        size = self.transport.get_write_buffer_size()
        with contextlib.suppress(OSError):
            link = self.transport.get_extra_info("socket").fileno()
            size += int.from_bytes(fcntl.ioctl(link, termios.TIOCOUTQ, bytes(4)), sys.byteorder)
        return size

    def _is_over(self) -> bool:
        """The last answer is given."""
        return self._discarded_bytes is not None

    def _discard(self, size: int) -> None:
        self._discarded_bytes = (self._discarded_bytes or 0) + size
        if self._discarded_bytes > _LINGER_BYTES:
            self.transport.abort()

    def _abandon(self) -> None:
        """Whoever answers a request learns that nobody listens; nothing waits for its turn."""
        self.pipeline.clear()
        while self._cycles:
            cycle = self._cycles.popleft()
            cycle.disconnected = True
            cycle.message_event.set()

    def _is_crowd(self) -> bool:
        if self.peer == LOOPBACK:
            return False
        peers = [one.peer for one in self.connections if isinstance(one, Connection)]
        return peers.count(self.peer) > capacity.MOST_OF_PEER

    def _progress(self) -> None:
        self._has_progressed = True
        self._unparsed_bytes = 0

    def _has_body(self) -> bool:
        return any(
            name == b"transfer-encoding" or (name == b"content-length" and value.strip(b"0 \t"))
            for name, value in self.headers
        )

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


def _keep_alive(transport: asyncio.Transport) -> None:
    """The system notices a peer that is gone without a word, whoever reads or does not."""
    link = transport.get_extra_info("socket")
    for name, value in _KEEP_ALIVE.items():
        link.setsockopt(socket.IPPROTO_TCP, name, value)
    link.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
