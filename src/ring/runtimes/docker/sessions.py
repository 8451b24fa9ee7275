"""Commands inside containers with somebody at their other end: input, output, a terminal's size."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from http import HTTPStatus
from typing import TYPE_CHECKING, Literal

from ring.core.channels import PIECE_BYTES
from ring.core.model.commands import Piece
from ring.runtimes.base import Gone, RuntimeFailure
from ring.runtimes.docker.connection import Answer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from ring.core.model.commands import Command, Size
    from ring.core.model.ids import InstanceId
    from ring.runtimes.docker.connection import Connection
    from ring.runtimes.docker.execs import Commands
    from ring.runtimes.docker.hijacked import Hijacked
    from ring.runtimes.docker.payload import Payload

log = logging.getLogger(__name__)

_HEADER_BYTES = 8
_STDERR = 2
_KEYS = ",".join(["ctrl-^", "ctrl-_", "ctrl-]"] * 8)
"""An engine takes keys out of what is typed and lets go of the command when they come: some must be
named, or they are two that everybody types. Nobody types these."""
_RESIZE_TRIES = 50
_RESIZE_AGAIN_S = 0.02
"""An engine knows of no terminal before the command has begun."""


@contextlib.asynccontextmanager
async def session(
    connection: Connection, commands: Commands, instance_id: InstanceId, command: Command
) -> AsyncIterator[DockerSession]:
    """See ring.runtimes.base.Sessions."""
    # Here, as it brings an HTTP client of its own: a server that opens no session does without.
    from ring.runtimes.docker.hijacked import hijack

    with contextlib.suppress(_GivenUp):
        async with commands.begun(instance_id, command.argv, _how(command)) as created:
            start = {"Detach": False, "Tty": command.has_terminal, **_sized(command.size)}
            async with hijack(connection, f"/exec/{created}/start", start) as opened:
                if isinstance(opened, Answer):
                    raise commands.refusal(opened, created)
                running = DockerSession(connection, commands, created, opened, command)
                async with running.sized(command.size):
                    yield running
                if not running.has_ended:
                    raise _GivenUp


class _GivenUp(Exception):
    """Whoever had it has left without waiting for its end."""


def _how(command: Command) -> Payload:
    how: dict[str, object] = {
        "AttachStdin": command.takes_input,
        "Tty": command.has_terminal,
        "DetachKeys": _KEYS,
        "Env": [f"{name}={value}" for name, value in command.environment.items()],
    }
    how |= _sized(command.size)
    if command.user:
        how["User"] = command.user
    if command.directory:
        how["WorkingDir"] = command.directory
    return how


def _sized(size: Size | None) -> Payload:
    """For engines that know it from the start; older ones do not read it."""
    return {} if size is None else {"ConsoleSize": [size.rows, size.columns]}


class DockerSession:
    """One that runs."""

    def __init__(
        self,
        connection: Connection,
        commands: Commands,
        created: str,
        opened: Hijacked,
        command: Command,
    ) -> None:
        self._connection = connection
        self._commands = commands
        self._created = created
        self._opened = opened
        self._has_terminal = command.has_terminal
        self._stream: Literal["stdout", "stderr"] = "stdout"
        self._left = 0
        """Bytes of a frame that are still to come; without a terminal streams come in frames."""
        self.has_ended = False

    async def read(self) -> Piece | None:
        with self._connection.translated():
            if self._has_terminal:
                content = await self._opened.read(PIECE_BYTES)
                return Piece("stdout", content) if content else None
            while self._left == 0:
                header = await self._opened.exactly(_HEADER_BYTES)
                if len(header) < _HEADER_BYTES:
                    return None
                self._stream = "stderr" if header[0] == _STDERR else "stdout"
                self._left = int.from_bytes(header[4:], "big")
            content = await self._opened.read(min(self._left, PIECE_BYTES))
        self._left -= len(content)
        return Piece(self._stream, content) if content else None

    async def write(self, content: bytes) -> None:
        await self._opened.write(content)

    async def end_input(self) -> None:
        self._opened.end()

    async def code(self) -> int:
        code = await self._commands.code(self._created)
        self.has_ended = True
        return code

    async def resize(self, size: Size) -> None:
        if self._has_terminal:
            with contextlib.suppress(Gone, RuntimeFailure):
                await self._resized(size)

    @contextlib.asynccontextmanager
    async def sized(self, size: Size | None) -> AsyncIterator[None]:
        """It gets its first size as soon as it has a terminal."""
        if size is None or not self._has_terminal:
            yield
            return
        first = asyncio.create_task(self._first_size(size))
        try:
            yield
        finally:
            first.cancel()
            await asyncio.wait({first})

    async def _first_size(self, size: Size) -> None:
        with contextlib.suppress(Gone, RuntimeFailure):
            for _ in range(_RESIZE_TRIES):
                if await self._resized(size):
                    return
                await asyncio.sleep(_RESIZE_AGAIN_S)
            log.debug("the terminal of command %s has no size", self._created[:12])

    async def _resized(self, size: Size) -> bool:
        answer = await self._connection.call(
            "POST",
            f"/exec/{self._created}/resize",
            query={"h": str(size.rows), "w": str(size.columns)},
        )
        return answer.status in {HTTPStatus.OK, HTTPStatus.CREATED}
