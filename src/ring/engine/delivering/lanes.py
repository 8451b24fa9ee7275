"""What is on its way to one hook: how many at once, and never two of one deployment."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import asyncio

    from ring.store.webhooks import Due

WIDTH: Final = 4
"""Events of different deployments that are sent to a healthy hook at once."""


class Lane:
    """Events of one deployment go one after the other, so that they arrive in their order."""

    def __init__(self) -> None:
        self._under_way: dict[str, asyncio.Task[None]] = {}
        self.is_healthy = True
        """A hook whose last attempt failed gets one event at a time, however much is due."""

    @property
    def free(self) -> int:
        """How many more may be begun."""
        return (WIDTH if self.is_healthy else 1) - len(self._under_way)

    @property
    def tasks(self) -> tuple[asyncio.Task[None], ...]:
        return tuple(self._under_way.values())

    def chosen(self, due: list[Due]) -> list[Due]:
        """Which of them are begun now: the oldest of each deployment that has none under way."""
        first: dict[str, Due] = {}
        for one in sorted(due, key=lambda one: one.seq):
            if one.deployment_id not in self._under_way:
                first.setdefault(one.deployment_id, one)
        return list(first.values())[: max(0, self.free)]

    def begin(self, due: Due, task: asyncio.Task[None]) -> None:
        self._under_way[due.deployment_id] = task

    def end(self, due: Due) -> None:
        del self._under_way[due.deployment_id]

    def cancel(self) -> None:
        for task in self._under_way.values():
            task.cancel()
