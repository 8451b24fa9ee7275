"""Log records between those who read them from a runtime and the one who takes them: bounded."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ring.core.model.logs import LogGap, LogRecord

ROOM_CHARACTERS = 256 * 1024
_EACH = 256
"""What a record costs beside its message, in characters."""


class Backlog:
    """Holds no more than its room and one batch; who puts more waits until some are taken."""

    def __init__(self, room: int = ROOM_CHARACTERS) -> None:
        self._room = room
        self._records: list[LogRecord | LogGap] = []
        self._size = 0
        self._is_closed = False
        self._turn = asyncio.Lock()
        """Writers that wait are served in the order they came, however fast another one is."""
        self._some = asyncio.Event()
        self._space = asyncio.Event()

    async def put(self, batch: Sequence[LogRecord]) -> None:
        async with self._turn:
            while self._size >= self._room:
                self._space.clear()
                await self._space.wait()
            self._records += batch
            self._size += sum([len(record.message) for record in batch]) + _EACH * len(batch)
            self._some.set()

    def tell(self, gap: LogGap) -> None:
        """Before what is put next."""
        self._records.append(gap)
        self._some.set()

    async def take(self) -> Sequence[LogRecord | LogGap]:
        """Everything, as soon as there is something; nothing once it is closed and empty."""
        while not self._records and not self._is_closed:
            self._some.clear()
            await self._some.wait()
        records, self._records = self._records, []
        self._size = 0
        self._space.set()
        return records

    def close(self) -> None:
        """Nothing more is put."""
        self._is_closed = True
        self._some.set()
