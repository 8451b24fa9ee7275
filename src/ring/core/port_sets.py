"""A set of ports that says what it holds in few words: `22, 80, 8000-8099`."""

from __future__ import annotations

from bisect import bisect_right

MOST_PORT = 65535


class PortSet:
    """Grows port by port, in any order."""

    def __init__(self) -> None:
        self._ranges: list[tuple[int, int]] = []
        """First and last of each, in order; between two there is a port that is in none."""

    def add(self, port: int) -> None:
        at = bisect_right(self._ranges, (port, MOST_PORT))
        first, last, begin, end = port, port, at, at
        if at and self._ranges[at - 1][1] >= port - 1:
            begin = at - 1
            first, last = self._ranges[begin][0], max(port, self._ranges[begin][1])
        if at < len(self._ranges) and self._ranges[at][0] == port + 1:
            end = at + 1
            last = self._ranges[at][1]
        self._ranges[begin:end] = [(first, last)]

    def __str__(self) -> str:
        return ", ".join(
            str(first) if first == last else f"{first}-{last}" for first, last in self._ranges
        )
