"""How fast an answer comes, so that a server that lets its bytes drip holds nobody up for long."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class Pace:
    """Of one answer, by windows of the time for which it is waited for.

    What has come has to be kept as well: how long that takes is not the server's doing.
    """

    least_bytes_per_s: int
    window_s: float
    _waited_s: float = 0.0
    _bytes: int = 0

    def too_slow(self, waited_s: float, size: int) -> str:
        """Of what has come now, after how long; what is told of a window that has ended with too
        little. Empty: it is fast enough."""
        self._waited_s += waited_s
        self._bytes += size
        if self._waited_s < self.window_s:
            return ""
        told = f"{self._bytes} bytes in {self._waited_s:.0f} s"
        is_enough = self._bytes >= self.least_bytes_per_s * self._waited_s
        self._waited_s, self._bytes = 0.0, 0
        return "" if is_enough else told
