"""What a death or a failed create costs: the restart budget, its waits, and how an exit is read."""

from __future__ import annotations

from datetime import timedelta
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime

    from ring.core.model.observed import Exit

BUDGET_FLOOR = 5  # failures
BACKOFF_LONGEST_S = 60.0
NEVER_EXECUTED = frozenset({126, 127})
"""Exit codes of a program that cannot be executed or found (POSIX shell)."""


def budget(target: int) -> int:
    """How many failures a row may have before it is in a crash loop."""
    return max(BUDGET_FLOOR, target)


def backoff_s(failures: int) -> float:
    """Seconds before the next create after so many failures: 0, 1, 2, 4, … 60."""
    if failures <= 1:
        return 0.0
    return min(2.0 ** min(failures - 2, 10), BACKOFF_LONGEST_S)


class Verdict(StrEnum):
    """What the end of an instance that Ring did not stop means."""

    MISSED = "missed"
    """It ended while nobody watched: replaced, not counted, never a completion."""
    RETIRED = "retired"
    """It finished its work: not replaced."""
    STOPPED_FROM_OUTSIDE = "stopped_from_outside"
    """Somebody stopped it cleanly through the engine: replaced, not counted."""
    NOT_EXECUTABLE = "not_executable"
    """Trying again cannot help: counted, and the row is halted."""
    CRASHED = "crashed"


def judge(end: Exit) -> Verdict:
    """Reads the end of one worker instance."""
    if end.missed:
        return Verdict.MISSED
    if end.code == 0:
        return Verdict.STOPPED_FROM_OUTSIDE if end.signalled else Verdict.RETIRED
    if end.code in NEVER_EXECUTED and not end.oom:
        return Verdict.NOT_EXECUTABLE
    return Verdict.CRASHED


def in_wave(
    *, born: datetime, died: datetime | None, counted_death: datetime | None, wave_s: float
) -> bool:
    """True: it was already up when the death counted last happened, and fell with it.

    All by the engine's clock; a death whose time it does not tell falls with nobody.
    """
    if died is None or counted_death is None or born > counted_death:
        return False
    return abs(died - counted_death) <= timedelta(seconds=wave_s)
