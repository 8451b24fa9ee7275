"""Long work in pieces: thousands of ports are opened on the loop that names are answered on."""

from __future__ import annotations

import asyncio
from typing import Final

AT_ONCE: Final = 16
"""Things done before others have their turn: to open so many ports takes some milliseconds."""


class Turns:
    """Of one piece of work."""

    def __init__(self) -> None:
        self._done = 0

    async def passed(self) -> None:
        """One thing more is done."""
        self._done += 1
        if self._done % AT_ONCE == 0:
            await asyncio.sleep(0)
