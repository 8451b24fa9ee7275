"""An observer on a bench, and what it told."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ring.core.model.ledger import Phase
from ring.core.model.observed import Instance, Listing
from ring.engine.journal import Journal
from ring.engine.observing.observer import Observer

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ring.core.model.deployment import Deployment
    from ring.core.model.ids import DeploymentId
    from ring.runtimes.base import Runtime, RuntimeEvent
    from tests.engine.bench import Bench


class Watch:
    """An observer on a bench, and what it told."""

    def __init__(self, bench: Bench, *, interval_s: float = 10.0) -> None:
        self.bench = bench
        self.changed: list[DeploymentId] = []
        self.listings = 0
        self.journal = Journal(bench.store)
        self.observer = Observer(
            bench.runtime,
            bench.store,
            bench.clock,
            self.journal,
            interval_s=interval_s,
            changed=self.changed.append,
            resynced=self._resynced,
            jitter=lambda: 1.0,
        )

    def _resynced(self, runtime: Runtime, listed: Iterable[Instance]) -> None:
        assert runtime is self.bench.runtime
        tuple(listed)
        self.listings += 1

    async def follow(self) -> None:
        self.bench.spawn(self.observer.run())
        await self.bench.idle()

    def listing(self, row: Deployment) -> Listing:
        seen = self.observer.seen([row.id])
        assert isinstance(seen, Listing), seen
        return seen

    def only(self, row: Deployment) -> Instance:
        (instance,) = self.listing(row).instances.values()
        return instance

    async def reasons(self, row: Deployment) -> list[str | None]:
        await self.journal.flush()
        return self.bench.reasons(row)[1:]

    def event(self, event: RuntimeEvent) -> None:
        for stream in self.bench.engine.streams:
            stream.put_nowait(event)


async def one_live(bench: Bench, phase: Phase = Phase.LIVE) -> tuple[Deployment, Instance]:
    row = await bench.accept()
    entry = await bench.entry(row, phase)
    return row, bench.running(bench.order(row, entry.name))
