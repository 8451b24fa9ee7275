"""A connection to an engine that stops speaking HTTP after its first answer: bytes both ways, each
of which can end by itself. Our HTTP client has no such thing, so it is spoken here."""

from __future__ import annotations

import asyncio
import contextlib
import json
from http import HTTPStatus
from typing import TYPE_CHECKING, Protocol
from urllib.parse import urlsplit

import h11

from ring.runtimes.docker.connection import CALL_TIMEOUT_S, CONNECT_TIMEOUT_S, Answer
from ring.runtimes.docker.half_open import Tls

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from ring.runtimes.docker.connection import Connection, Endpoint
    from ring.runtimes.docker.payload import Payload

_READ_BYTES = 64 * 1024


class Link(Protocol):
    """A connection, in the clear or not."""

    async def read(self, most: int) -> bytes: ...

    def write(self, content: bytes) -> None: ...

    async def drain(self) -> None: ...

    def write_eof(self) -> None: ...


class _Clear:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.read = reader.read
        self.write = writer.write
        self.drain = writer.drain
        self.write_eof = writer.write_eof


class Hijacked:
    """Both ways of it."""

    def __init__(self, link: Link, first: bytes) -> None:
        """first: what came with the engine's answer."""
        self._link = link
        self._first = first

    async def read(self, most: int) -> bytes:
        """What there is, at most so much; nothing at the end."""
        if self._first:
            piece, self._first = self._first[:most], self._first[most:]
            return piece
        return await self._link.read(most)

    async def exactly(self, count: int) -> bytes:
        """Less than that only at the end."""
        found = b""
        while len(found) < count:
            piece = await self.read(count - len(found))
            if not piece:
                break
            found += piece
        return found

    async def write(self, content: bytes) -> None:
        """Returns once there is room for more; dropped where the other end is closed."""
        with contextlib.suppress(OSError):
            self._link.write(content)
            await self._link.drain()

    def end(self) -> None:
        """No more is written; what comes is still to be read."""
        with contextlib.suppress(OSError):
            self._link.write_eof()


@contextlib.asynccontextmanager
async def hijack(
    connection: Connection, path: str, body: Payload
) -> AsyncIterator[Hijacked | Answer]:
    """POSTs this; an Answer is a refusal. Raises Unavailable. What is read later raises OSError."""
    target = await connection.target(path)
    endpoint = connection.endpoint
    with connection.translated():
        async with asyncio.timeout(CONNECT_TIMEOUT_S):
            reader, writer = await _connect(endpoint)
    try:
        request = _request(endpoint, target, body)
        with connection.translated():
            async with asyncio.timeout(CALL_TIMEOUT_S):
                opened = await _ask(await _secured(endpoint, reader, writer), request)
        yield opened
    finally:
        # At once: an engine that does not read is not to be waited for.
        writer.transport.abort()


async def _connect(endpoint: Endpoint) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    if endpoint.socket is not None:
        return await asyncio.open_unix_connection(endpoint.socket)
    parts = urlsplit(endpoint.base)
    return await asyncio.open_connection(parts.hostname, parts.port)


async def _secured(
    endpoint: Endpoint, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> Link:
    if endpoint.tls is None:
        return _Clear(reader, writer)
    link = Tls(reader, writer, endpoint.tls, urlsplit(endpoint.base).hostname or "")
    await link.shake_hands()
    return link


def _request(endpoint: Endpoint, target: str, body: Payload) -> tuple[h11.Request, h11.Data]:
    content = json.dumps(body).encode()
    headers = [
        ("Host", urlsplit(endpoint.base).netloc),
        ("Connection", "Upgrade"),
        ("Upgrade", "tcp"),
        ("Content-Type", "application/json"),
        ("Content-Length", str(len(content))),
    ]
    return h11.Request(method="POST", target=target, headers=headers), h11.Data(data=content)


async def _ask(link: Link, request: tuple[h11.Request, h11.Data]) -> Hijacked | Answer:
    http = h11.Connection(h11.CLIENT)
    for event in (*request, h11.EndOfMessage()):
        link.write(http.send(event) or b"")
    await link.drain()
    status, content = 0, b""
    while True:
        try:
            told = http.next_event()
        except h11.RemoteProtocolError as error:
            raise OSError("it does not speak HTTP as an engine does") from error
        match told:
            case h11.NEED_DATA:
                http.receive_data(await link.read(_READ_BYTES))
            case h11.InformationalResponse(status_code=HTTPStatus.SWITCHING_PROTOCOLS):
                return Hijacked(link, http.trailing_data[0])
            case h11.Response(status_code=code):
                status = code
            case h11.Data(data=piece):
                content += bytes(piece)
            case h11.EndOfMessage():
                return Answer(status, content)
            case h11.ConnectionClosed() | h11.PAUSED:
                raise ConnectionResetError
