"""A client connection as bytes both ways, each no faster than it is taken."""

from __future__ import annotations

import asyncio
import socket
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from uvicorn.protocols.http.flow_control import FlowControl

_ENDED = frozenset({7, 8})
"""States that the system has for a connection: closed, and closed by the other end."""
_MOST_BYTES = 64 * 1024
"""That wait to be read before the client is made to."""


class Duplex:
    """Fed by the protocol that owns the transport."""

    def __init__(self, transport: asyncio.Transport, flow: FlowControl) -> None:
        self._transport = transport
        self._flow = flow
        self._waiting = bytearray()
        self._news = asyncio.Event()
        self._is_lost = False
        self._cut: asyncio.TimerHandle | None = None

    # for the protocol
    def feed(self, content: bytes) -> None:
        self._waiting += content
        if len(self._waiting) > _MOST_BYTES:
            self._flow.pause_reading()
        self._news.set()

    def lost(self) -> None:
        self._is_lost = True
        self._news.set()
        if self._cut is not None:
            self._cut.cancel()

    # for whoever speaks over it
    @property
    def is_blocked(self) -> bool:
        """The client does not take what there is for it."""
        return self._flow.write_paused

    @property
    def is_hung_up(self) -> bool:
        """The client has closed it, or is gone: while nothing is read, only the system knows."""
        if self._is_lost:
            return True
        link = self._transport.get_extra_info("socket")
        try:
            state = link.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0]
        except OSError:
            return True
        return state in _ENDED

    async def read(self) -> bytes:
        """What has come; nothing once the connection is gone."""
        while not self._waiting and not self._is_lost:
            self._news.clear()
            await self._news.wait()
        content = bytes(self._waiting)
        self._waiting.clear()
        if not self._is_lost:
            self._flow.resume_reading()
        return content

    async def write(self, content: bytes) -> None:
        """Returns once there is room for more. Raises ConnectionResetError."""
        if self._is_lost:
            raise ConnectionResetError
        self._transport.write(content)
        await self._flow.drain()
        if self._is_lost:
            raise ConnectionResetError

    def close(self, within_s: float) -> None:
        """When the client has taken what there is for it, or has had so long to."""
        if not self._is_lost:
            self._transport.close()
            loop = asyncio.get_running_loop()
            self._cut = loop.call_later(within_s, self._transport.abort)
