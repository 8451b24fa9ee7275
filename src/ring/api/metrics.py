"""The metrics page, made when somebody asks and shared by all who ask meanwhile.

Anybody may ask. Counts cost a millisecond; what deployments take is written down once for each
snapshot, in pieces, so that a thousand deployments do not keep the loop from its other work.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING, Literal

from ring.api import exposition
from ring.api.exposition import FIGURES, UNHEALTHY, Counted
from ring.core.errors import RingError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ring.api.ports import Engine
    from ring.clock import Clock
    from ring.core.model.status import Status
    from ring.core.model.usage import Snapshot
    from ring.store.store import Store

Form = Literal["text", "json"]


TURN = 250
"""Entries that are written in one piece."""
COUNTING_REST = 100
"""So many times what counting took, it is not done again: half a second after five milliseconds."""
SAID_EVERY_S = 60.0
"""How often the log has that something cannot be counted."""
_UNHEALTHY = frozenset(UNHEALTHY)

_log = logging.getLogger(__name__)


class Metrics:
    """One for a server; loop thread only."""

    def __init__(self, store: Store, engine: Engine, clock: Clock) -> None:
        self._store = store
        self._engine = engine
        self._clock = clock
        self._under_way: dict[Form, asyncio.Task[bytes]] = {}
        self._written: dict[Form, tuple[Snapshot, bytes]] = {}
        """What the deployments of a snapshot take, as it was last written down."""
        self._counts: Counted | None = None
        self._count_again_at = 0.0
        self._said: dict[str, float] = {}

    async def page(self, form: Form) -> bytes:
        """Who comes while one is being made is given that one."""
        task = self._under_way.get(form)
        if task is None:
            task = asyncio.create_task(self._made(form))
            self._under_way[form] = task
            task.add_done_callback(lambda _: self._under_way.pop(form))
        return await asyncio.shield(task)

    async def _made(self, form: Form) -> bytes:
        await asyncio.sleep(0)  # whoever asks in the same turn of the loop shares it
        snapshot = self._engine.statistics.snapshot
        taken = await self._taken(form, snapshot)
        counted = self._recent(snapshot)
        if form == "text":
            return exposition.text(counted).encode(errors="replace") + taken
        head = exposition.compact(exposition.shape(counted))[:-1].encode(errors="replace")
        return b'%b,"deployment_runtime":[%b]}' % (head, taken)

    async def _taken(self, form: Form, snapshot: Snapshot) -> bytes:
        found = self._written.get(form)
        if found is not None and found[0] is snapshot:
            return found[1]
        written = await (_text(snapshot) if form == "text" else _json(snapshot))
        content = written.encode(errors="replace")
        self._written[form] = (snapshot, content)
        return content

    def _recent(self, snapshot: Snapshot) -> Counted:
        """Counted now, or so short a while ago that counting takes a hundredth of the time."""
        now = self._clock.mono()
        if self._counts is None or now >= self._count_again_at:
            self._counts = self._counted()
            done = self._clock.mono()
            self._count_again_at = done + COUNTING_REST * (done - now)
        return replace(self._counts, refreshed_s=snapshot.unix_s)

    def _counted(self) -> Counted:
        """What cannot be counted is left out, so the rest is told all the same."""
        counts = self._store.counts
        by_status: Counter[Status] = Counter()
        by_runtime: Counter[str] = Counter()
        unhealthy: Counter[tuple[str, Status]] = Counter()
        for row in self._store.deployments():
            by_status[row.status] += 1
            by_runtime[row.spec.runtime] += 1
            if row.status in _UNHEALTHY:
                unhealthy[row.spec.namespace, row.status] += 1
        return Counted(
            by_status=by_status,
            by_runtime=by_runtime,
            unhealthy=unhealthy,
            nouns=self._or_nothing("objects", counts.nouns),
            events=self._or_nothing("events", counts.outbound_events),
            health_checks=self._or_nothing("health checks", counts.health_checks),
        )

    def _or_nothing(self, what: str, count: Callable[[], Mapping[str, int]]) -> Mapping[str, int]:
        try:
            return count()
        except RingError as error:
            now = self._clock.mono()
            if now - self._said.get(what, -SAID_EVERY_S) >= SAID_EVERY_S:
                self._said[what] = now
                _log.error("metrics: the %s cannot be counted: %s", what, error)
            return {}


async def _text(snapshot: Snapshot) -> str:
    series = snapshot.series()
    if not series:
        return ""
    labels = [exposition.label_text(one) for one in series]
    families: list[str] = []
    for figure in FIGURES:
        await asyncio.sleep(0)
        families.append(exposition.figure_text(figure, series, labels))
    return "".join(families)


async def _json(snapshot: Snapshot) -> str:
    pieces: list[str] = []
    series = snapshot.series()
    for start in range(0, len(series), TURN):
        await asyncio.sleep(0)
        piece = [exposition.taken_shape(one) for one in series[start : start + TURN]]
        pieces.append(exposition.compact(piece)[1:-1])
    return ",".join(pieces)
