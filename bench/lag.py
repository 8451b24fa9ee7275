"""The Ring server with a timer on its loop that notes how late it runs.

    python bench/lag.py FILE     leaves [[monotonic seconds, ms late, ms busy], …] in FILE

Busy is the processor time of the loop's thread since the timer was set: what is late beyond it, the
machine did. uvloop keeps timers to whole milliseconds.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import asyncio

PERIOD_S = 0.01


def command(file: Path) -> list[str]:
    """The command line of the server with the timer."""
    return [sys.executable, __file__, str(file)]


class Lag:
    """Re-arms itself for as long as the loop runs."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.samples: list[tuple[float, float, float]] = []
        self._loop = loop
        self._due = self._busy_s = 0.0
        self._arm()

    def _arm(self) -> None:
        self._busy_s = time.thread_time()
        self._due = time.monotonic() + PERIOD_S
        self._loop.call_later(PERIOD_S, self._tick)

    def _tick(self) -> None:
        now = time.monotonic()
        busy_ms = (time.thread_time() - self._busy_s) * 1000
        self.samples.append((now, max(now - self._due, 0.0) * 1000, busy_ms))
        self._arm()


def main(file: Path) -> int:
    """The server's exit status."""
    import uvloop

    from ring.cli.main import run

    lags: list[Lag] = []
    plain = uvloop.new_event_loop

    def watched() -> uvloop.Loop:
        loop = plain()
        lags.append(Lag(loop))
        return loop

    uvloop.new_event_loop = watched
    status = run(["server", "start"])
    file.write_text(json.dumps([sample for lag in lags for sample in lag.samples]))
    return status


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
