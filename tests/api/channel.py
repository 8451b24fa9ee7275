"""The client's end of a channel, over a real socket."""

from __future__ import annotations

import asyncio
import base64
from typing import TYPE_CHECKING

from wsproto.connection import Connection, ConnectionType
from wsproto.events import BytesMessage, CloseConnection, Ping

from ring.core import channels
from ring.core.channels import PROTOCOL, Kind

if TYPE_CHECKING:
    from wsproto.events import Event

KEY = base64.b64encode(bytes(16)).decode()
UPGRADE = {
    "Connection": "keep-alive, Upgrade",
    "Upgrade": "websocket",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": KEY,
    "Sec-WebSocket-Protocol": PROTOCOL,
}


class Refused(Exception):
    def __init__(self, status: int, head: str, body: str) -> None:
        super().__init__(f"{status} {body}")
        self.status = status
        self.head = head
        self.body = body


class ClientChannel:
    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, head: dict[str, str]
    ) -> None:
        self.head = head
        self.code: int | None = None
        """Why the server has closed."""
        self._reader = reader
        self.writer = writer
        self._frames = Connection(ConnectionType.CLIENT)

    @classmethod
    async def open(
        cls, port: int, path: str, token: str, headers: dict[str, str] | None = None
    ) -> ClientChannel:
        """Raises Refused."""
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        given = UPGRADE | {"Authorization": f"Bearer {token}", "Host": "x"} | (headers or {})
        lines = [f"GET {path} HTTP/1.1", *(f"{key}: {value}" for key, value in given.items())]
        writer.write("\r\n".join([*lines, "", ""]).encode())
        first, *rest = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        status = int(first.split()[1])
        found = {k.lower(): v for k, _, v in (line.partition(": ") for line in rest if line)}
        if status != 101:
            body = await reader.readexactly(int(found["content-length"]))
            writer.close()
            raise Refused(status, "\n".join(rest), body.decode())
        return cls(reader, writer, found)

    async def send(self, kind: Kind, content: bytes = b"") -> None:
        await self.raw(BytesMessage(data=channels.message(kind, content)))

    async def tell(self, kind: Kind, **members: object) -> None:
        await self.raw(BytesMessage(data=channels.told(kind, **members)))

    async def raw(self, event: Event) -> None:
        self.writer.write(self._frames.send(event))
        await self.writer.drain()

    async def next(self) -> tuple[Kind, bytes] | None:
        """None: the server has closed."""
        message = b""
        while True:
            for event in self._frames.events():
                match event:
                    case BytesMessage():
                        message += bytes(event.data)
                        if event.message_finished:
                            return channels.parse(message)
                    case Ping():
                        await self.raw(event.response())
                    case CloseConnection():
                        self.code = event.code
                        return None
            content = await self._reader.read(65536)
            if not content:
                return None
            self._frames.receive_data(content)

    async def rest(self) -> tuple[bytes, dict[str, object]]:
        """All output, and the last word."""
        output = b""
        while (found := await self.next()) is not None:
            kind, content = found
            if kind is Kind.STATUS:
                return output, channels.members(content)
            output += content
        raise AssertionError(f"no last word, after {output!r}")

    def close(self) -> None:
        self.writer.transport.abort()
