"""Time as a dependency: the engine and its tests read it through one Protocol."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """Where time comes from."""

    def mono(self) -> float:
        """Seconds that never go back; windows and waits are measured on it."""
        ...

    def wall(self) -> datetime:
        """UTC now; only to stamp, and to read persisted deadlines."""
        ...


class SystemClock:
    """The machine's own clocks."""

    def mono(self) -> float:
        return time.monotonic()

    def wall(self) -> datetime:
        return datetime.now(UTC)


def rfc3339(moment: datetime) -> str:
    """UTC with microseconds and a `Z`, the one format of every response and record."""
    # strftime writes years before 1000 with fewer than four digits.
    return moment.astimezone(UTC).isoformat(timespec="microseconds").removesuffix("+00:00") + "Z"


def parse_rfc3339(text: str) -> datetime:
    """The inverse of rfc3339. Raises ValueError."""
    return datetime.fromisoformat(text).astimezone(UTC)
