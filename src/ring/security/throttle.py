"""Counts failed logins, and says how long the next one has to wait."""

from __future__ import annotations

from collections import OrderedDict

LIMIT = 10
WINDOW_S = 60.0
_REMEMBERED = 4096
"""More than can fail within one window at the cost of a password hash."""

Key = tuple[str, str]
"""Username and peer address."""


class Throttle:
    """A window opens with the first failure and closes by itself, or with a success."""

    def __init__(self) -> None:
        self._windows: OrderedDict[Key, tuple[float, int]] = OrderedDict()

    def wait_s(self, key: Key, now: float) -> float:
        """Seconds until another try is let through; 0: now."""
        opened, failures = self._windows.get(key, (now, 0))
        left = opened + WINDOW_S - now
        return left if failures >= LIMIT and left > 0 else 0.0

    def failed(self, key: Key, now: float) -> None:
        self._forget_before(now - WINDOW_S)
        opened, failures = self._windows.get(key, (now, 0))
        self._windows[key] = (opened, failures + 1)
        if len(self._windows) > _REMEMBERED:
            self._windows.popitem(last=False)

    def succeeded(self, key: Key) -> None:
        self._windows.pop(key, None)

    def _forget_before(self, moment: float) -> None:
        """Windows stand in the order in which they opened."""
        while self._windows:
            key, (opened, _) = next(iter(self._windows.items()))
            if opened > moment:
                return
            del self._windows[key]
