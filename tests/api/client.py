"""Speaks ASGI to an application in this process, one message at a time."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable

    from starlette.types import ASGIApp, Message, Scope


@dataclass(frozen=True)
class Reply:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:  # whatever the body says
        return json.loads(self.body)

    @property
    def codes(self) -> list[str]:
        return [violation["code"] for violation in self.json["violations"]]


@dataclass(frozen=True)
class Question:
    method: str
    target: str
    headers: tuple[tuple[str, str], ...] = ()
    chunks: tuple[bytes, ...] = ()
    peer: str = "192.0.2.1"

    @property
    def scope(self) -> Scope:
        path, _, query = self.target.partition("?")
        headers = [(name.lower().encode(), value.encode("latin-1")) for name, value in self.headers]
        return {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": "1.1",
            "method": self.method,
            "scheme": "http",
            "path": unquote(path),
            "raw_path": path.encode(),
            "query_string": query.encode("latin-1"),
            "root_path": "",
            "headers": headers,
            "client": (self.peer, 40000),
            "server": ("127.0.0.1", 3030),
        }


class Exchange:
    """One request; its answer may be read while it is still being sent."""

    def __init__(self, app: ASGIApp, question: Question) -> None:
        self.read_chunks = 0
        self._chunks = list(question.chunks) or [b""]
        self._sent: asyncio.Queue[Message] = asyncio.Queue()
        self._gone = asyncio.Event()
        self._task = asyncio.ensure_future(app(question.scope, self._receive, self._sent.put))

    async def reply(self) -> Reply:
        """The whole answer."""
        await self._task
        start = self._sent.get_nowait()
        body = b""
        while not self._sent.empty():
            body += self._sent.get_nowait().get("body", b"")
        return Reply(start["status"], _headers(start["headers"]), body)

    async def head(self) -> Reply:
        """Status and headers as soon as they are there."""
        start = await self._sent.get()
        return Reply(start["status"], _headers(start["headers"]), b"")

    async def pieces(self) -> AsyncIterator[bytes]:
        """Body messages as they come, until the last."""
        more = True
        while more:
            message = await self._sent.get()
            more = message.get("more_body", False)
            if message["body"]:
                yield message["body"]

    async def leave(self) -> None:
        """Disconnects, and waits until the application has noticed."""
        self._gone.set()
        await self._task

    async def abandon(self) -> None:
        """Stops the application in the middle."""
        self._task.cancel()
        await asyncio.wait({self._task})

    async def _receive(self) -> Message:
        if self.read_chunks < len(self._chunks):
            self.read_chunks += 1
            body = self._chunks[self.read_chunks - 1]
            more = self.read_chunks < len(self._chunks)
            return {"type": "http.request", "body": body, "more_body": more}
        await self._gone.wait()
        return {"type": "http.disconnect"}


def _headers(raw: Iterable[tuple[bytes, bytes]]) -> dict[str, str]:
    return {name.decode().lower(): value.decode("latin-1") for name, value in raw}
