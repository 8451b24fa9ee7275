"""Removals give way to starts: both keep the kernel busy, and starts are waited for."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

MOST_S: Final = 0.5
_STEP_S: Final = 0.02
"""Between one step of a start and its next."""


class Precedence:
    """Loop thread only."""

    def __init__(self) -> None:
        self._count = 0
        self._free = asyncio.Event()
        self._free.set()

    @contextlib.contextmanager
    def taken(self) -> Iterator[None]:
        """A step of a start is under way."""
        self._count += 1
        self._free.clear()
        try:
            yield
        finally:
            self._count -= 1
            if not self._count:
                self._free.set()

    async def given(self) -> None:
        """Returns when no start is under way, or nothing is to wait any longer."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(MOST_S):
                while self._count:
                    await self._free.wait()
                    await asyncio.sleep(_STEP_S)
