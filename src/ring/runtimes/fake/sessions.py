"""A command in the fake engine with somebody at its other end."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from ring.core.model.commands import Piece
from ring.runtimes.base import Executed

if TYPE_CHECKING:
    from ring.core.model.commands import Command, Size

_ROOM = 4
"""Pieces that wait for a reader before whoever writes has to."""
GIVEN_UP = Executed(137)


class FakeSession:
    """It writes what it is to and ends, or echoes what it reads until that ends."""

    def __init__(self, command: Command, result: Executed | None) -> None:
        self.command = command
        self.sizes: list[Size] = [command.size] if command.size else []
        """That its terminal has had."""
        self.ended: asyncio.Future[Executed] = asyncio.get_running_loop().create_future()
        self._pieces: asyncio.Queue[Piece | None] = asyncio.Queue(_ROOM)
        if result is not None:
            if result.output:
                self._pieces.put_nowait(Piece("stdout", result.output.encode()))
            self._pieces.put_nowait(None)
            self.ended.set_result(result)
        else:
            self.ended.add_done_callback(self._close)

    @property
    def goes_on(self) -> bool:
        return not self.ended.done()

    def give_up(self) -> None:
        if self.goes_on:
            self.ended.set_result(GIVEN_UP)

    async def read(self) -> Piece | None:
        return await self._pieces.get()

    async def write(self, content: bytes) -> None:
        if self.goes_on:
            await self._pieces.put(Piece("stdout", content))

    async def end_input(self) -> None:
        if self.goes_on:
            await self._pieces.put(None)
            self.ended.set_result(Executed(0))

    async def resize(self, size: Size) -> None:
        if self.command.has_terminal:
            self.sizes.append(size)

    async def code(self) -> int:
        return (await self.ended).code

    def _close(self, _: object) -> None:
        """What was not read is lost where it was ended from outside."""
        if self.ended.result() is not GIVEN_UP and self.ended.result().code == 0:
            return
        while not self._pieces.empty():
            self._pieces.get_nowait()
        self._pieces.put_nowait(None)
