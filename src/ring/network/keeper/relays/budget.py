"""How much the relays may have open at a time, so that names are always answered."""

from __future__ import annotations

import resource
from collections import Counter
from dataclasses import dataclass
from typing import Final

from ring.network.keeper.problems import KeeperProblem

MOST_CONNECTIONS: Final = 20_000
MOST_SESSIONS: Final = 10_000
MOST_SOCKETS: Final = 65_536
MOST_OF_ONE: Final = 8192
"""Of the sockets, for one holder: all the ports that a manifest may have, in both families."""


@dataclass(frozen=True, slots=True)
class Budget:
    """Of all published ports together."""

    connections: int = MOST_CONNECTIONS
    """By TCP; each takes two open files."""
    sessions: int = MOST_SESSIONS
    """By UDP; each takes one."""
    sockets: int = MOST_SOCKETS
    """That the ports themselves are bound by; each takes one."""

    @property
    def sockets_of_one(self) -> int:
        """For one holder, who leaves as many to the others."""
        return min(MOST_OF_ONE, self.sockets // 2)


def of_this_process() -> Budget:
    """As many files as may be are opened from here on: half of them is for TCP, an eighth for UDP,
    a quarter for the ports themselves. The rest is for names and whoever asks."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    if most == resource.RLIM_INFINITY:
        return Budget()
    return Budget(
        min(MOST_CONNECTIONS, most // 4),
        min(MOST_SESSIONS, most // 8),
        min(MOST_SOCKETS, most // 4),
    )


class Sockets:
    """Those that the ports of each holder are bound by, as many as they may be: what cannot be
    bound yet has its place, and a family that the host has not counts as well."""

    def __init__(self, budget: Budget) -> None:
        self._budget = budget
        self._of: Counter[str] = Counter()

    def take(self, holder: str, number: int) -> int:
        """So many instead of those that the holder had, which are returned. Raises KeeperProblem
        when there is no room, and changes nothing."""
        had, most, of_one = self._of[holder], self._budget.sockets, self._budget.sockets_of_one
        others = self._of.total() - had
        if number > of_one:
            raise KeeperProblem(
                f"the published ports need {number} sockets, and one instance may have {of_one}: "
                + self._hint()
            )
        if number + others > most:
            raise KeeperProblem(
                f"the published ports need {number} sockets, and {others} of {most} are taken by "
                f"those of other instances: {self._hint()}"
            )
        self.put_back(holder, number)
        return had

    def put_back(self, holder: str, number: int) -> None:
        """What `take` returned; 0: the holder has none any more."""
        self._of[holder] = number
        if not number:
            del self._of[holder]

    def _hint(self) -> str:
        few = "publish fewer, or with a `host_ip`, which takes one socket a port instead of two"
        if self._budget.sockets == MOST_SOCKETS:
            return few
        return (
            f"{few}, or raise the limit of open files (LimitNOFILE) and start the server and "
            "its network keeper again"
        )
