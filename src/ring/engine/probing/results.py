"""What came of probes, on its way into the store: results and states together, in batches."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import deque
from typing import TYPE_CHECKING

from ring.core.errors import HostError
from ring.engine.store_outage import Backoff

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ring.core.model.health import ResultDraft, SavedState
    from ring.core.model.ids import InstanceId
    from ring.store.store import Store

log = logging.getLogger(__name__)

BOUND = 1024  # results waiting; the oldest make room
GATHER_S = 0.25  # a state that has changed waits no longer
IDLE_GATHER_S = 1.0  # nor do results that changed nothing


class Results:
    """Gathers for a moment and stores in one transaction. Nobody waits for it."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._results: deque[ResultDraft] = deque(maxlen=BOUND)
        self._states: dict[tuple[InstanceId, int], SavedState] = {}
        """Of each check the last one: as many as there are checks at most."""
        self._gone: set[InstanceId] = set()
        self._lost = 0
        self._some = asyncio.Event()
        self._news = asyncio.Event()
        """What waits is more than results."""
        self._backoff = Backoff()
        self._said: str | None = None
        """Why the store does not take them."""

    def put(self, result: ResultDraft, state: SavedState | None) -> None:
        """state: if it has changed."""
        self._lost += len(self._results) == BOUND
        self._results.append(result)
        if state is not None:
            self._states[state.instance_id, state.check_index] = state
            self._news.set()
        self._some.set()

    def forget(self, instances: Iterable[InstanceId]) -> None:
        """These are gone, and their states with them."""
        for one in instances:
            self._gone.add(one)
            for about in [about for about in self._states if about[0] == one]:
                del self._states[about]
            self._some.set()

    async def run(self) -> None:
        while True:
            await self._some.wait()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(IDLE_GATHER_S - GATHER_S):
                    await self._news.wait()
            await asyncio.sleep(GATHER_S)
            if not await self.flush():
                await asyncio.sleep(self._backoff.failed())

    async def close(self) -> None:
        """A last try."""
        if not await self.flush():
            log.warning("%d results of health checks were lost", len(self._results))

    async def flush(self) -> bool:
        """False: what waits goes on waiting, because the store does not take it."""
        self._some.clear()
        self._news.clear()
        if not (self._results or self._states or self._gone):
            return True
        results, states, gone = tuple(self._results), self._states, self._gone
        self._results.clear()
        self._states, self._gone = {}, set()
        try:
            await self._store.health_checks.save(results, tuple(states.values()), gone)
        except HostError as error:
            self._put_back(results, states, gone)
            self._complain(error.message)
            return False
        self._recovered()
        return True

    def _put_back(
        self,
        results: tuple[ResultDraft, ...],
        states: dict[tuple[InstanceId, int], SavedState],
        gone: set[InstanceId],
    ) -> None:
        """In their order, before what came meanwhile; a newer state counts."""
        since = tuple(self._results)
        self._lost += max(0, len(results) + len(since) - BOUND)
        self._results.clear()
        self._results.extend((*results, *since))
        kept = {about: state for about, state in states.items() if about[0] not in self._gone}
        self._states = {**kept, **self._states}
        self._gone |= gone
        self._some.set()

    def _complain(self, why: str) -> None:
        """Once a reason: it is tried again and again."""
        if why != self._said:
            self._said = why
            log.warning("results of health checks wait until they can be stored: %s", why)

    def _recovered(self) -> None:
        self._backoff.reset()
        if self._lost:
            log.warning("%d results of health checks were lost: too many waited", self._lost)
        elif self._said is not None:
            log.info("the results of health checks that waited are stored")
        self._lost, self._said = 0, None
