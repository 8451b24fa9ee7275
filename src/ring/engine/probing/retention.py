"""Keeps the stored results of health checks few, one deployment at a time."""

from __future__ import annotations

import asyncio
import logging
from datetime import timedelta
from typing import TYPE_CHECKING

from ring.core.errors import HostError

if TYPE_CHECKING:
    from ring.clock import Clock
    from ring.store.store import Store

log = logging.getLogger(__name__)

EVERY_S = 300.0
KEPT_FOR = timedelta(days=7)
KEPT = 50
"""Results of a deployment."""


class Retention:
    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    async def run(self) -> None:
        while True:
            await asyncio.sleep(EVERY_S)
            try:
                await self.purge()
            except HostError as error:
                log.warning("old results of health checks are not deleted: %s", error.message)

    async def purge(self) -> None:
        """In small transactions, so that no other write waits for long."""
        purge = self._store.health_checks.purge
        for row in self._store.deployments():
            if row.spec.health_checks:
                before = self._clock.wall() - KEPT_FOR
                while await purge(row, before=before, kept=KEPT):
                    pass
