"""One connection from the server to the keeper: requests out, answers in, a JSON line each."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import socket
from itertools import count
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    Answer = dict[str, object]

SOCKET: Final = "keeper.sock"
MOST_BYTES: Final = 16 * 1024 * 1024
"""Of a line: a zone of a hundred thousand names."""


def place(directory: int) -> str:
    """A path of the socket that fits into an address, however long the directory's is."""
    return f"/proc/self/fd/{directory}/{SOCKET}"


async def connect(directory: Path) -> Link | None:
    """None: nobody listens there. Raises OSError."""
    made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    made.setblocking(False)
    try:
        descriptor = os.open(directory, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            # Directly: the address is read before the call returns, and a socket of this kind
            # never has to wait for the other side.
            made.connect(place(descriptor))
        finally:
            os.close(descriptor)
        reader, writer = await asyncio.open_unix_connection(sock=made, limit=MOST_BYTES)
    except (FileNotFoundError, ConnectionRefusedError, BlockingIOError):
        made.close()
        return None
    except BaseException:
        made.close()
        raise
    return Link(reader, writer)


class Link:
    """Loop thread only. Answers come in the order of the requests, and are told by their number, so
    that nobody has to wait for one that he has given up."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._waiting: dict[int, asyncio.Future[Answer]] = {}
        self._numbers = count(1)
        self.ended = asyncio.Event()

    @property
    def is_open(self) -> bool:
        return not self.ended.is_set()

    async def ask(self, request: Mapping[str, object]) -> Answer:
        """Raises ConnectionError when the other side has ended; whether it was done is not known.

        `follow` has to run meanwhile.
        """
        if not self.is_open:
            raise ConnectionResetError("the keeper has ended")
        number = next(self._numbers)
        answer = self._waiting[number] = asyncio.Future()
        try:
            self._writer.write(json.dumps({**request, "id": number}).encode() + b"\n")
            return await answer
        finally:
            del self._waiting[number]

    async def follow(self) -> None:
        """Hands the answers out until the connection ends."""
        try:
            with contextlib.suppress(OSError, ValueError):
                while line := await self._reader.readline():
                    self._take(json.loads(line))
        finally:
            self.close()

    def _take(self, told: object) -> None:
        if not isinstance(told, dict):
            raise ValueError("not an answer")
        answer = self._waiting.get(told.pop("id", 0))
        if answer is not None and not answer.done():
            answer.set_result(told)

    def close(self) -> None:
        self.ended.set()
        self._writer.close()
        for answer in self._waiting.values():
            if not answer.done():
                answer.set_exception(ConnectionResetError("the keeper has ended"))
