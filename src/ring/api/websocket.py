"""A WebSocket over a connection that was taken over: whole messages of bytes, both ways."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from wsproto.connection import Connection, ConnectionType
from wsproto.events import BytesMessage, CloseConnection, Ping, TextMessage
from wsproto.frame_protocol import CloseReason
from wsproto.utilities import LocalProtocolError, RemoteProtocolError

from ring.core.channels import LARGEST_BYTES

if TYPE_CHECKING:
    from wsproto.events import Event

    from ring.api.duplex import Duplex


class WebSocket:
    """The server's end of one. Several may send at once, one receives."""

    def __init__(self, duplex: Duplex) -> None:
        self._duplex = duplex
        self._frames = Connection(ConnectionType.SERVER)
        self.has_heard = True
        """Something has come since this was last set to False."""
        self.is_listening = False
        """Somebody waits for what comes next."""

    @property
    def is_blocked(self) -> bool:
        """The client does not take what there is for it."""
        return self._duplex.is_blocked

    @property
    def is_hung_up(self) -> bool:
        """The client has closed it, or is gone."""
        return self._duplex.is_hung_up

    async def receive(self) -> bytes | None:
        """The next message; None: there will be none. One that must not be is the last."""
        message = bytearray()
        while True:
            for event in self._frames.events():
                match event:
                    case BytesMessage():
                        message += event.data
                        if len(message) > LARGEST_BYTES:
                            await self._send(CloseConnection(code=CloseReason.MESSAGE_TOO_BIG))
                            return None
                        if event.message_finished:
                            return bytes(message)
                    case Ping():
                        await self._send(event.response())
                    case TextMessage():
                        await self._send(CloseConnection(code=CloseReason.UNSUPPORTED_DATA))
                        return None
                    case CloseConnection():
                        await self._send(event.response())
                        return None
            self.is_listening = True
            try:
                content = await self._duplex.read()
            finally:
                self.is_listening = False
            if not content:
                return None
            self.has_heard = True
            try:
                self._frames.receive_data(content)
            except RemoteProtocolError:
                return None

    async def send(self, message: bytes) -> None:
        """Returns once there is room for more. Raises ConnectionResetError."""
        await self._send(BytesMessage(data=message))

    async def ping(self) -> None:
        await self._send(Ping())

    async def _send(self, event: Event) -> None:
        try:
            content = self._frames.send(event)
        except LocalProtocolError as error:  # it was closed
            raise ConnectionResetError from error
        await self._duplex.write(content)

    async def end(self, last: bytes, within_s: float) -> None:
        """With a last message, which the client has so long to take."""
        try:
            async with asyncio.timeout(within_s):
                await self.send(last)
                await self._send(CloseConnection(code=CloseReason.NORMAL_CLOSURE))
                # Closed while something comes, the connection would take the message with it.
                while await self._duplex.read():
                    pass
        except (TimeoutError, ConnectionResetError):
            pass
        finally:
            self._duplex.close(within_s)
