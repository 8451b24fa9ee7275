"""A wall clock of a server's own, which a test sets while the server runs."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from scripts.engines import faketime

if TYPE_CHECKING:
    from pathlib import Path

DAY_S = 24 * 3600


class WallClock:
    """As wrong as it was last set; the monotonic clock stays right, as a machine's does."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.set_off(0)

    def set_off(self, seconds: int) -> None:
        """So far from the engine's clock, at once."""
        aside = self._path.with_suffix(".new")
        aside.write_text(f"{seconds:+d}\n")
        aside.rename(self._path)  # never seen half written

    @property
    def environment(self) -> dict[str, str]:
        library = faketime()
        assert library is not None, "libfaketime is not installed: run `engines.py ensure`"
        return {
            "LD_PRELOAD": os.fspath(library),
            "FAKETIME_TIMESTAMP_FILE": os.fspath(self._path),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "FAKETIME_DONT_RESET": "1",
        }
