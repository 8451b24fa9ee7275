"""A channel to the server: one connection that has stopped speaking HTTP and never blocks."""

from __future__ import annotations

import base64
import os
import ssl
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

from wsproto.connection import Connection, ConnectionType
from wsproto.events import BytesMessage, CloseConnection, Ping, Pong
from wsproto.utilities import LocalProtocolError, RemoteProtocolError

from ring.cli.client import LARGEST_ANSWER, STREAM_IDLE_S, Client, Response
from ring.cli.failures import Unreachable
from ring.core import channels
from ring.core.channels import LARGEST_BYTES, PROTOCOL, Garbled, Kind

if TYPE_CHECKING:
    import http.client
    import socket
    from collections.abc import Iterable, Iterator

    from wsproto.events import Event

    from ring.cli.proxies import Proxy
    from ring.cli.session import Session

_READ_BYTES = 64 * 1024
_FULL_BYTES = 256 * 1024
LIFE_S = 10.0
"""How often a server hears of a client that does not listen to it."""


class Lost(Exception):
    """The connection is gone, or says what no server of ours would."""


class Opened(NamedTuple):
    response: Response
    channel: Channel | None
    """None: the server refuses."""


class Channel:
    """Messages both ways. What is sent waits here until the socket takes it."""

    def __init__(self, link: socket.socket) -> None:
        link.setblocking(False)
        self._link = link
        self._frames = Connection(ConnectionType.CLIENT)
        self._out = bytearray()
        self._message = bytearray()
        """The beginning of one that comes."""
        self._heard_at = time.monotonic()
        self._shown_at = self._heard_at
        self.wants_write = False
        """There is something that the socket has not taken."""
        self.is_over = False
        """The server has said its last word."""

    def fileno(self) -> int:
        return self._link.fileno()

    @property
    def is_full(self) -> bool:
        """More is not to be sent now."""
        return len(self._out) >= _FULL_BYTES

    def left_s(self) -> float:
        """Until a server that says nothing counts as gone."""
        return max(0.0, self._heard_at + STREAM_IDLE_S - time.monotonic())

    def expect_life(self) -> None:
        """For whoever has waited so long in vain. Raises Lost."""
        if not self.left_s():
            raise Lost("it says nothing any more")

    def look_away(self) -> None:
        """It is not listened to for now: it need not say anything, and hears every LIFE_S that we
        are there, for it cannot tell who is slow from who is gone. Raises Lost."""
        self._heard_at = time.monotonic()
        if self._heard_at - self._shown_at >= LIFE_S and not self.wants_write:
            self._shown_at = self._heard_at
            self._queue(Pong())

    def send(self, kind: Kind, content: bytes = b"") -> None:
        """Raises Lost."""
        self._queue(BytesMessage(data=channels.message(kind, content)))

    def tell(self, kind: Kind, **members: object) -> None:
        """JSON. Raises Lost."""
        self._queue(BytesMessage(data=channels.told(kind, **members)))

    def flush(self) -> None:
        """As much as the socket takes. Raises Lost."""
        try:
            while self._out:
                del self._out[: self._link.send(self._out[:_READ_BYTES])]
        except (BlockingIOError, ssl.SSLWantWriteError, ssl.SSLWantReadError):
            pass
        except OSError as error:
            self._out.clear()
            # The last word may have come before the connection broke.
            if not isinstance(error, ConnectionError):
                raise Lost(error.strerror or str(error)) from error
        self.wants_write = bool(self._out)

    def receive(self) -> Iterator[tuple[Kind, bytes]]:
        """What has come. Raises Lost at the end of the connection, Garbled."""
        while True:
            try:
                content = self._link.recv(_READ_BYTES)
            except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
                return
            except OSError as error:
                raise Lost(error.strerror or str(error)) from error
            if not content:
                raise Lost("it was closed")
            self._heard_at = time.monotonic()
            try:
                self._frames.receive_data(content)
            except (RemoteProtocolError, LocalProtocolError) as error:
                raise Lost(str(error)) from error
            yield from self._messages()
            if not (isinstance(self._link, ssl.SSLSocket) and self._link.pending()):
                return

    def _messages(self) -> Iterator[tuple[Kind, bytes]]:
        for event in self._frames.events():
            match event:
                case BytesMessage():
                    self._message += event.data
                    if len(self._message) > LARGEST_BYTES:
                        raise Garbled("a message that is too large")
                    if event.message_finished:
                        whole = bytes(self._message)
                        self._message.clear()
                        yield channels.parse(whole)
                case Ping():
                    self._queue(event.response())
                case CloseConnection():
                    self.is_over = True
                    return

    def _queue(self, event: Event) -> None:
        try:
            self._out += self._frames.send(event)
        except LocalProtocolError as error:
            raise Lost(str(error)) from error
        self.flush()


class _Opening(Client):
    """Asks for a channel, over a connection that is held."""

    _asked: http.client.HTTPConnection | None = None

    def _headers(self) -> dict[str, str]:
        return super()._headers() | {
            "Connection": "Upgrade",
            "Upgrade": "websocket",
            "Sec-WebSocket-Version": "13",
            "Sec-WebSocket-Key": base64.b64encode(os.urandom(16)).decode(),
            "Sec-WebSocket-Protocol": PROTOCOL,
        }

    @contextmanager
    def _held(self, proxy: Proxy | None) -> Iterator[http.client.HTTPConnection]:
        with super()._held(proxy) as connection:
            self._asked = connection
            yield connection

    @contextmanager
    def opened(self, segments: Iterable[str], query: Iterable[tuple[str, str]]) -> Iterator[Opened]:
        with self.stream(*segments, query=query) as (response, lines):
            link = self._asked.sock if self._asked is not None else None
            if response.status == 101 and link is not None:
                yield Opened(response, Channel(link))
            else:
                body = b"\n".join(line for some in lines for line in some)[:LARGEST_ANSWER]
                yield Opened(response._replace(body=body), None)


@contextmanager
def opened(
    session: Session, *segments: str, query: Iterable[tuple[str, str]] = ()
) -> Iterator[Opened]:
    """A channel, which is closed on leaving. Raises Unreachable, also when it is lost.

    The server says nothing on it before it is told to BEGIN.
    """
    client = _Opening(session.context, session.require_token(), session.environ)
    try:
        with client.opened(segments, query) as found:
            yield found
    except Lost as error:
        raise Unreachable(
            f"error: the connection to the server at {client.base} was lost ({error})"
        ) from error
    except Garbled as error:
        raise Unreachable(
            f"error: the server at {client.base} sent {error}: is it a Ring server?"
        ) from error
