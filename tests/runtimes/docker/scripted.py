"""An engine that says what a test wrote down, on a Unix socket of this process."""

from __future__ import annotations

import asyncio
import contextlib
import json
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncIterator
    from pathlib import Path

VERSION = {"ApiVersion": "1.41", "MinAPIVersion": "1.12"}


def answer(body: object, status: int = 200) -> bytes:
    """A whole HTTP answer; None is no body."""
    content = b"" if body is None else json.dumps(body).encode()
    return _head(status, f"Content-Length: {len(content)}") + content


def opening(*lines: bytes, status: int = 200) -> bytes:
    """An answer that has begun, and goes on for as long as the connection is open."""
    return _head(status, "Connection: close") + b"".join(line + b"\n" for line in lines)


def _head(status: int, *headers: str) -> bytes:
    first = f"HTTP/1.1 {status} {HTTPStatus(status).phrase}"
    return "\r\n".join([first, *headers, "", ""]).encode()


@dataclass(slots=True)
class Script:
    """What is answered: by the start of the request line, the first that fits."""

    host: str
    answers: dict[str, list[bytes]] = field(default_factory=dict)
    """Each answer is used once, the last one again and again. An empty one ends the connection."""
    hanging: set[str] = field(default_factory=set)
    """After the answer to these the connection stays open and silent."""
    asked: list[str] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    heads: list[str] = field(default_factory=list)
    """Request lines with their headers."""
    released: asyncio.Event = field(default_factory=asyncio.Event)
    server: asyncio.Server | None = None

    def stop_listening(self) -> None:
        """Connections that are open stay so, as those of an engine that is being stopped."""
        assert self.server is not None
        self.server.close()

    def say(self, request: str, *answers: bytes, hangs: bool = False) -> None:
        self.answers[request] = list(answers)
        if hangs:
            self.hanging.add(request)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            while await self._exchange(reader, writer):
                pass
        writer.close()

    async def _exchange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """One request and its answer. False when the connection is over."""
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        method, target, _ = head.split(" ", 2)
        request = f"{method} {target}"
        self.asked.append(request)
        self.heads.append(head)
        for line in head.lower().split("\r\n"):
            if line.startswith("content-length:"):
                self.bodies.append(await reader.readexactly(int(line.partition(":")[2])))
        key = next((key for key in self.answers if request.startswith(key)), None)
        if key is None:
            writer.write(answer({"message": f"not in the script: {request}"}, 500))
            return True
        waiting = self.answers[key]
        said = waiting.pop(0) if len(waiting) > 1 else waiting[0]
        writer.write(said)
        await writer.drain()
        if key in self.hanging:
            await self.released.wait()
        return _is_whole(said) and key not in self.hanging


def _is_whole(said: bytes) -> bool:
    """Whether the client can tell the end of this answer while the connection stays open."""
    head, _, content = said.partition(b"\r\n\r\n")
    return f"Content-Length: {len(content)}\r\n".encode() in head + b"\r\n"


def pong(version: str) -> bytes:
    """The answer to a ping, with the API version in its head."""
    return f"HTTP/1.1 200 OK\r\nApi-Version: {version}\r\nContent-Length: 2\r\n\r\nOK".encode()


@contextlib.asynccontextmanager
async def engine(folder: Path, *, tls: ssl.SSLContext | None = None) -> AsyncIterator[Script]:
    """An engine that tells its version, and nothing else until the test says so.

    On a socket in the folder; with TLS on a port of this machine.
    """
    path = folder / "engine.sock"
    script = Script(f"unix://{path}")
    script.say("GET /_ping", pong("1.41"))
    script.say("GET /version", answer(VERSION))
    if tls is None:
        script.server = await asyncio.start_unix_server(script.serve, path)
    else:
        script.server = await asyncio.start_server(script.serve, "127.0.0.1", 0, ssl=tls)
        script.host = f"tcp://127.0.0.1:{script.server.sockets[0].getsockname()[1]}"
    try:
        yield script
    finally:
        script.released.set()
        script.server.close()
