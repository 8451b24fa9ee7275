"""One connection to the log keeper: requests and answers by number, as logkeeper.control has it."""

from __future__ import annotations

import asyncio
import contextlib
import os
from typing import TYPE_CHECKING, Final, cast

if TYPE_CHECKING:
    from pathlib import Path

_LONGEST_PATH: Final = 107
"""Bytes that the kernel takes of a socket's path."""


class Refused(Exception):
    """The keeper cannot do what it was asked; the message says why."""


class Channel(asyncio.Protocol):
    """Made by `connect`; over when the keeper is, or by `close`."""

    def __init__(self) -> None:
        self.ended = asyncio.Event()
        self._transport: asyncio.Transport | None = None
        self._waiting: dict[str, asyncio.Future[str]] = {}
        self._count = 0
        self._rest = b""

    async def ask(self, word: str, argument: str = "") -> str:
        """The rest of its answer. Raises Refused, ConnectionError; waits as long as it takes."""
        if self._transport is None or self._transport.is_closing():
            raise ConnectionResetError("the log keeper has gone")
        self._count += 1
        number = str(self._count)
        answer: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._waiting[number] = answer
        line = f"{number} {word} {argument}\n"
        self._transport.write(line.encode(errors="surrogateescape"))
        try:
            return await answer
        finally:
            self._waiting.pop(number, None)

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # of a stream

    def data_received(self, data: bytes) -> None:
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            number, _, rest = line.decode(errors="replace").partition(" ")
            verdict, _, more = rest.partition(" ")
            answer = self._waiting.get(number)
            if answer is None or answer.done():
                continue
            if verdict == "ok":
                answer.set_result(more)
            else:
                answer.set_exception(Refused(more))

    def connection_lost(self, exc: Exception | None) -> None:
        for answer in self._waiting.values():
            if not answer.done():
                answer.set_exception(ConnectionResetError("the log keeper has gone"))
        self.ended.set()


async def connect(path: Path) -> Channel:
    """Raises OSError where nobody answers there."""
    loop = asyncio.get_running_loop()
    with contextlib.ExitStack() as held:
        reached = str(path)
        if len(os.fsencode(path)) > _LONGEST_PATH:
            directory = os.open(path.parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
            held.callback(os.close, directory)
            reached = f"/proc/self/fd/{directory}/{path.name}"
        _, channel = await loop.create_unix_connection(Channel, reached)
    return channel
