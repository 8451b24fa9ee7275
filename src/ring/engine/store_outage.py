"""A store that cannot be written: who waits for it, when it is tried again, what is said of it.

While it lasts one group at a time is tried, later and later; the first plan that is stored lets
all the others through.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ring.clock import Clock
    from ring.core.errors import HostError
    from ring.core.model.ids import GroupKey
    from ring.engine.wakeups import Wakeups

log = logging.getLogger(__name__)

RETRY_FIRST_S = 1.0
RETRY_LONGEST_S = 8.0
_DOUBLINGS = 8
"""More would change nothing."""


class Backoff:
    """Seconds until a store that fails is tried again: twice as many each time."""

    def __init__(self) -> None:
        self._failures = 0

    def failed(self) -> float:
        wait_s: float = RETRY_FIRST_S * 2 ** min(self._failures, _DOUBLINGS)
        self._failures += 1
        return min(wait_s, RETRY_LONGEST_S)

    def reset(self) -> None:
        self._failures = 0


class Outage:
    """Nothing, as long as every plan is stored."""

    def __init__(self, clock: Clock, wakeups: Wakeups) -> None:
        self._clock = clock
        self._wakeups = wakeups
        self._waiting: dict[GroupKey, None] = {}
        """In the order they are tried."""
        self._tried: GroupKey | None = None
        self._backoff = Backoff()
        self._said: set[str] = set()
        """Each reason is given once."""

    def failed(self, key: GroupKey, error: HostError) -> None:
        """The group's plan could not be stored: it is planned again when its turn comes."""
        if error.message not in self._said:
            self._said.add(error.message)
            log.error(
                "cannot store the plan of %s/%s: %s; deployments stay as they are until it can be",
                key.namespace,
                key.name,
                error.message,
            )
        self._waiting.pop(key, None)
        self._waiting[key] = None
        if self._tried in {None, key}:
            self._tried = next(iter(self._waiting))
            self._wakeups.wake_at(self._tried, self._clock.mono() + self._backoff.failed())

    def passed(self, key: GroupKey, *, stored: bool) -> None:
        """The group's pass is over; stored: something was written for it."""
        if not self._said:
            return
        self._waiting.pop(key, None)
        if stored:
            self._end()
        elif key == self._tried:  # it had nothing to store any more: that tells nothing
            self._tried = next(iter(self._waiting), None)
            if self._tried is not None:
                self._wakeups.wake(self._tried)

    def _end(self) -> None:
        log.warning("the database can be written again")
        for key in self._waiting:
            self._wakeups.wake(key)
        self._waiting.clear()
        self._tried = None
        self._backoff.reset()
        self._said.clear()
