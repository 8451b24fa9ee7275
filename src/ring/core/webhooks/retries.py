"""How often a delivery is tried, and how long it waits in between."""

from __future__ import annotations

from typing import Final

MOST_ATTEMPTS: Final = 8
LONGEST_WAIT_S: Final = 3600.0


def wait_s(failures: int) -> float | None:
    """Seconds from the last failure to the next attempt: 1, 2, 4 … 60 minutes. None: it is given
    up."""
    if failures >= MOST_ATTEMPTS:
        return None
    return min(60.0 * 2.0 ** (failures - 1), LONGEST_WAIT_S)
