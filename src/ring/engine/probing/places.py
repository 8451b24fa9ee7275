"""Who may probe now: places for probes, shared out among deployments in turn.

A probe that hangs gives its place to others, so that it delays no other deployment, and the next
time it is given none; its own deployment goes without, so that what hangs stays bounded.
"""

from __future__ import annotations

from collections import Counter, deque
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

    from ring.core.model.ids import DeploymentId

WIDTH = 32  # probes that work
SHARE = 8  # probes of one deployment, those that hang included
CEILING = 256  # probes in flight, as long as no more deployments than that have one


class Owned(Protocol):
    """What waits for a place."""

    @property
    def deployment_id(self) -> DeploymentId: ...

    @property
    def is_slow(self) -> bool:
        """It hung the last time: it is begun as one that hangs, without a place."""
        ...

    @property
    def is_dropped(self) -> bool:
        """It waits no longer."""
        ...


T = TypeVar("T", bound=Owned)


class Places(Generic[T]):
    """Nothing in it waits: whoever gives a place back asks for the next one that may go."""

    def __init__(self, width: int = WIDTH, share: int = SHARE, ceiling: int = CEILING) -> None:
        self._free = width
        self._spared = width // 2
        """Places that only deployments take of which nothing hangs."""
        self._share = share
        self._ceiling = ceiling
        self._in_flight: Counter[DeploymentId] = Counter()
        self._hanging: Counter[DeploymentId] = Counter()
        """Those of them that have no place."""
        self._quick: _Turns[T] = _Turns()
        self._slow: _Turns[T] = _Turns()

    def wait(self, one: T) -> None:
        (self._slow if one.is_slow else self._quick).add(one)

    def take(self) -> T | None:
        """The next one to begin. It has a place from now on, or hangs if it is slow."""
        one = self._quick.take(self._may_work) if self._free else None
        if one is not None:
            self._free -= 1
        else:
            one = self._slow.take(self._may_hang)
            if one is None:
                return None
            self._hanging[one.deployment_id] += 1
        self._in_flight[one.deployment_id] += 1
        return one

    def _most(self) -> int:
        """With many that have some in flight the share of each is smaller."""
        return min(self._share, max(1, self._ceiling // max(1, len(self._in_flight))))

    def _may_work(self, owner: DeploymentId) -> bool:
        if self._free <= self._spared and self._hanging[owner]:
            return False
        return self._in_flight[owner] < self._most()

    def _may_hang(self, owner: DeploymentId) -> bool:
        """Some of a deployment's share is left to its checks that do not hang."""
        most = self._most()
        return self._in_flight[owner] < most and self._hanging[owner] < max(1, most * 3 // 4)

    def lend(self, owner: DeploymentId) -> None:
        """The place of one in flight is free, although it goes on."""
        self._free += 1
        self._hanging[owner] += 1

    def leave(self, owner: DeploymentId, *, is_hanging: bool) -> None:
        """One in flight has ended."""
        if is_hanging:
            _uncount(self._hanging, owner)
        else:
            self._free += 1
        _uncount(self._in_flight, owner)


class _Turns(Generic[T]):
    """What waits, deployment by deployment in turn."""

    def __init__(self) -> None:
        self._waiting: dict[DeploymentId, deque[T]] = {}
        """In the order of their turns."""

    def add(self, one: T) -> None:
        self._waiting.setdefault(one.deployment_id, deque()).append(one)

    def take(self, may: Callable[[DeploymentId], bool]) -> T | None:
        while (owner := next(filter(may, self._waiting), None)) is not None:
            queue = self._waiting.pop(owner)
            one = queue.popleft()
            if queue:
                self._waiting[owner] = queue
            if not one.is_dropped:
                return one
        return None


def _uncount(counts: Counter[DeploymentId], owner: DeploymentId) -> None:
    counts[owner] -= 1
    if not counts[owner]:
        del counts[owner]
