"""Carries the autoscaler's decisions from the measured load into the rows."""

from __future__ import annotations

import logging
import math
from dataclasses import replace
from typing import TYPE_CHECKING

from ring.core.errors import HostError
from ring.core.model.events import EventDraft, Level
from ring.core.plan.autoscale import decide, is_autoscaled
from ring.core.plan.view import Plan, RowChange

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from ring.clock import Clock
    from ring.core.model.deployment import Deployment
    from ring.core.model.ids import DeploymentId, GroupKey
    from ring.core.model.usage import Snapshot
    from ring.core.plan.autoscale import Step
    from ring.store.store import Store

log = logging.getLogger(__name__)

COMPONENT = "autoscaler"
STALE_S = 120.0


class Autoscaler:
    """Looks at every deployment with a policy once a tick. Loop thread only."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        *,
        snapshot: Callable[[], Snapshot],
        wake: Callable[[GroupKey], None],
    ) -> None:
        self._store = store
        self._clock = clock
        self._snapshot = snapshot
        self._wake = wake
        self._stepped: dict[DeploymentId, tuple[datetime, float]] = {}
        """When a row last stepped, as it is stored and as the monotonic time it was read as."""

    async def tick(self) -> None:
        """One look at all; nothing where the measured load is old. Never raises for the store."""
        snapshot = self._snapshot()
        if snapshot.at is None:
            return
        if (self._clock.wall() - snapshot.at).total_seconds() > STALE_S:
            return
        load = {
            each.deployment_id: each.usage.cpu_percent / each.instances for each in snapshot.taken
        }
        rows = [row for row in self._store.deployments() if row.spec.autoscale is not None]
        known = {row.id for row in rows}
        self._stepped = {row: at for row, at in self._stepped.items() if row in known}
        for row in rows:
            if not is_autoscaled(row, self._store.rows(row.key)):
                continue
            step = decide(row, load.get(row.id), self._rested_s(row))
            if step is not None:
                await self._take(row, step)

    async def _take(self, row: Deployment, step: Step) -> None:
        now = self._clock.wall()
        after = replace(row, desired_replicas=step.after, last_scaled_at=now)
        event = EventDraft(row.id, Level.INFO, step.reason, step.message, COMPONENT)
        plan = Plan(based_on=(row,), rows=(RowChange(row, after),), events=(event,))
        try:
            if await self._store.commit(plan):  # else it is another row by now: seen next time
                self._stepped[row.id] = (now, self._clock.mono())
                self._wake(row.key)
        except HostError as error:
            log.warning("cannot scale %s: %s", row.id, error.message)

    def _rested_s(self, row: Deployment) -> float:
        """Since its last step; a wall clock that jumped costs one whole wait at most."""
        at = row.last_scaled_at
        if at is None:
            return math.inf
        known = self._stepped.get(row.id)
        if known is None or known[0] != at:
            rested_s = max(0.0, (self._clock.wall() - at).total_seconds())
            known = self._stepped[row.id] = (at, self._clock.mono() - rested_s)
        return self._clock.mono() - known[1]
