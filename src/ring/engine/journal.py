"""Deployment events that no plan writes: what the runtimes report. Nobody waits for it."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from ring.core.errors import HostError

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
        self._some = asyncio.Event()

    def put(self, event: EventDraft) -> None:
        if len(self._waiting) < BOUND:
            self._waiting.append(event)
            self._some.set()

    async def run(self) -> None:
        while True:
            await self._some.wait()
            await asyncio.sleep(GATHER_S)
            await self.flush()

    async def flush(self) -> None:
        self._some.clear()
        events, self._waiting = self._waiting, []
        if not events:
            return
        try:
            await self._store.record(events)
        except HostError as error:
            log.warning("%d deployment events could not be stored: %s", len(events), error)
