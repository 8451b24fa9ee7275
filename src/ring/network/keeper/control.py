"""What the keeper is asked, and by whom: root and the user that it runs as, nobody else."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import socket
import struct
from typing import TYPE_CHECKING, Final

from ring.network.keeper.link import MOST_BYTES, SOCKET, place
from ring.network.keeper.problems import PortTaken

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping
    from pathlib import Path

    Do = Callable[[Mapping[str, object]], Awaitable[Mapping[str, object] | None]]
    """Raises PortTaken, OSError, ValueError."""

_CREDENTIALS: Final = struct.Struct("3i")
"""struct ucred: process, user, group."""

_log = logging.getLogger(__name__)


class Control:
    """Requests are done one at a time, whoever they are of."""

    def __init__(self, actions: Mapping[str, Do]) -> None:
        self._actions = actions
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self._ours: tuple[int, int] | None = None
        self._is_closed = False
        self.turn = asyncio.Lock()
        """Of requests, and of whoever else changes what they change."""

    @property
    def clients(self) -> int:
        return len(self._writers)

    async def open(self, directory: Path) -> None:
        """Raises OSError. Nobody else may have the directory: its lock says so."""
        made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            made.setblocking(False)
            with contextlib.suppress(FileNotFoundError):
                (directory / SOCKET).unlink()
            descriptor = os.open(directory, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                made.bind(place(descriptor))
            finally:
                os.close(descriptor)
            (directory / SOCKET).chmod(0o600)
            self._ours = _identity(directory / SOCKET)
            self._server = await asyncio.start_unix_server(self._serve, sock=made, limit=MOST_BYTES)
        except BaseException:
            made.close()
            raise

    def close(self, directory: Path) -> None:
        """While nobody else may have the directory; at a turn of one's own. What waits for its turn
        then is not done any more."""
        self._is_closed = True
        if self._server is None:
            return
        self._server.close()
        # The directory may have been removed and made again, and have a keeper of its own.
        with contextlib.suppress(OSError):
            if _identity(directory / SOCKET) == self._ours:
                (directory / SOCKET).unlink()
        for writer in self._writers:
            writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        try:
            if not _is_welcome(writer.get_extra_info("socket")):
                return
            with contextlib.suppress(OSError, ValueError):
                while line := await reader.readline():
                    async with self.turn:
                        if self._is_closed:
                            return
                        answer = await self._answer(json.loads(line))
                    writer.write(json.dumps(answer).encode() + b"\n")
                    await writer.drain()
        finally:
            self._writers.discard(writer)
            writer.close()

    async def _answer(self, request: object) -> dict[str, object]:
        """Raises ValueError for what is no request: that ends the connection."""
        if not isinstance(request, dict):
            raise ValueError("not a request")
        number = {"id": request.get("id")}
        do = self._actions.get(str(request.get("do")))
        if do is None:
            return {**number, "problem": f"the network keeper cannot {request.get('do')}"}
        try:
            return {**number, **(await do(request) or {})}
        except PortTaken as taken:
            port = {"port": taken.port, "protocol": taken.protocol, "holder": taken.holder}
            return {**number, "taken": port}
        except OSError as error:
            return {**number, "problem": error.strerror or str(error)}
        except ValueError as error:
            return {**number, "problem": str(error)}


def _is_welcome(connection: socket.socket) -> bool:
    told = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    _, user, _ = _CREDENTIALS.unpack(told)
    if user in (0, os.geteuid()):
        return True
    _log.warning("user %d is refused", user)
    return False


def _identity(path: Path) -> tuple[int, int]:
    found = path.lstat()
    return found.st_dev, found.st_ino
