"""Deployment events that no plan writes: what the runtimes report. Nobody waits for it."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from ring.core.errors import HostError
from ring.engine.store_outage import Backoff

if TYPE_CHECKING:
    from ring.core.model.events import EventDraft
    from ring.store.store import Store

log = logging.getLogger(__name__)

BOUND = 1024  # events waiting
GATHER_S = 0.05  # a plan's own commit goes first


class Journal:
    """Gathers events for a moment and stores them in one write. Losing one fails nothing."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._waiting: list[EventDraft] = []
        self._lost = 0
        self._some = asyncio.Event()
        self._backoff = Backoff()
        self._said: str | None = None
        """Why the store does not take them."""

    def put(self, event: EventDraft) -> None:
        if len(self._waiting) < BOUND:
            self._waiting.append(event)
            self._some.set()
        else:
            self._lost += 1

    async def run(self) -> None:
        while True:
            await self._some.wait()
            await asyncio.sleep(GATHER_S)
            if not await self.flush():
                await asyncio.sleep(self._backoff.failed())

    async def close(self) -> None:
        """A last try."""
        if not await self.flush():
            log.warning(
                "%d deployment events were lost: they could not be stored", len(self._waiting)
            )

    async def flush(self) -> bool:
        """False: what waits goes on waiting, because the store does not take it."""
        self._some.clear()
        events, self._waiting = self._waiting, []
        try:
            await self._store.record(events)
        except HostError as error:
            self._put_back(events)
            self._complain(error.message)
            return False
        self._backoff.reset()
        if events:
            self._recovered()
        return True

    def _put_back(self, events: list[EventDraft]) -> None:
        """In their order, before what came meanwhile."""
        events += self._waiting
        self._waiting = events[:BOUND]
        self._lost += len(events) - len(self._waiting)
        self._some.set()

    def _complain(self, why: str) -> None:
        """Once a reason: it is tried again and again."""
        if why != self._said:
            self._said = why
            log.warning("deployment events wait until they can be stored: %s", why)

    def _recovered(self) -> None:
        if self._lost:
            log.warning("%d deployment events were lost: too many waited", self._lost)
        elif self._said is not None:
            log.info("the deployment events that waited are stored")
        self._lost, self._said = 0, None
