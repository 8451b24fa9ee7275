"""TLS over a connection, each way of which can end by itself: asyncio's own cannot end one."""

from __future__ import annotations

import contextlib
import ssl
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import asyncio

_READ_BYTES = 64 * 1024


class Tls:
    """Both ways of it, as our end has them."""

    def __init__(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        context: ssl.SSLContext,
        host: str,
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_hostname=host)

    async def shake_hands(self) -> None:
        """Raises ssl.SSLError and OSError."""
        while True:
            try:
                self._tls.do_handshake()
            except ssl.SSLWantReadError:
                await self._exchange()
            else:
                await self.drain()
                return

    async def read(self, most: int) -> bytes:
        """What there is, at most so much; nothing at the end."""
        while True:
            try:
                return self._tls.read(most)
            except ssl.SSLWantReadError:
                await self._exchange()
            except (ssl.SSLZeroReturnError, ssl.SSLEOFError):
                return b""

    def write(self, content: bytes) -> None:
        self._tls.write(content)

    async def drain(self) -> None:
        """Returns once there is room for more."""
        self._flush()
        await self._writer.drain()

    def write_eof(self) -> None:
        """No more is written; what comes is still to be read."""
        with contextlib.suppress(ssl.SSLWantReadError):  # the other end has not ended its own
            self._tls.unwrap()
        self._flush()

    def _flush(self) -> None:
        self._writer.write(self._outgoing.read())

    async def _exchange(self) -> None:
        self._flush()  # whoever reads is not to wait for the other end to read
        content = await self._reader.read(_READ_BYTES)
        if content:
            self._incoming.write(content)
        else:
            self._incoming.write_eof()
