"""How many instances are read at once: each reading holds a connection to an engine, and with it a
file of this process, which healing needs as well."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from ring.core.errors import RingError

if TYPE_CHECKING:
    from types import TracebackType

MOST = 256
"""For all readers together. Whoever counts open files reckons with it."""
MOST_OF_ONE = 128
"""For one holder, so that nobody can keep all others out."""


class Crowded(RingError):
    """There is no place for another reading."""


class Room:
    """The places of all readers."""

    def __init__(self, most: int = MOST, most_of_one: int = MOST_OF_ONE) -> None:
        self._most = most
        self._most_of_one = most_of_one
        self._taken: Counter[str] = Counter()

    def left(self, holder: str) -> int:
        return min(self._most - self._taken.total(), self._most_of_one - self._taken[holder])

    def expect(self, holder: str, wanted: int) -> None:
        """Raises Crowded where there are not so many for this holder."""
        if wanted > self._most_of_one:
            raise Crowded(
                f"it has {wanted} instances and at most {self._most_of_one} are read at once: "
                "choose some with 'container'"
            )
        if wanted > self.left(holder):
            raise Crowded(
                f"too many instances are being read: {wanted} more cannot be; "
                "end another reader, choose some with 'container', or try again later"
            )

    def take(self, holder: str, count: int) -> None:
        self._taken[holder] += count

    def give(self, holder: str, count: int) -> None:
        self._taken[holder] -= count
        if not self._taken[holder]:
            del self._taken[holder]


class Places:
    """Those of one reader. Entered, some are kept for it until it is left, whatever it reads, so
    that an instance that replaces another is read at once; more are taken while there are any."""

    def __init__(self, room: Room, holder: str, kept: int) -> None:
        self._room = room
        self._holder = holder
        self._wanted = kept
        self._kept = 0
        self._used = 0

    def __enter__(self) -> Places:
        """Does not wait: keeps what there is, if others were quicker."""
        self._kept = max(0, min(self._wanted, self._room.left(self._holder)))
        self._room.take(self._holder, self._kept)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        idle = max(0, self._kept - self._used)
        self._kept = 0
        self._room.give(self._holder, idle)

    def take(self) -> bool:
        """Whether there is one; whoever has it gives it back."""
        if self._used >= self._kept:
            if self._room.left(self._holder) < 1:
                return False
            self._room.take(self._holder, 1)
        self._used += 1
        return True

    def give(self) -> None:
        if self._used > self._kept:
            self._room.give(self._holder, 1)
        self._used -= 1
