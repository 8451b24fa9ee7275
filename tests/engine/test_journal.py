"""What the runtimes report, on its way into the store."""

from __future__ import annotations

import logging
from itertools import pairwise
from typing import TYPE_CHECKING

from ring.core.errors import HostError
from ring.core.model.events import EventDraft, Level
from ring.engine.journal import BOUND, Journal
from tests.engine.bench import Bench

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pytest

    from ring.core.model.deployment import Deployment


def died(row: Deployment, number: int = 0) -> EventDraft:
    return EventDraft(row.id, Level.WARNING, "container_died", f"number {number}", "docker-events")


def test_events_are_gathered_for_a_moment_and_stored_together() -> None:
    bench = Bench()

    async def main() -> None:
        row = await bench.accept()
        journal = Journal(bench.store)
        bench.spawn(journal.run())
        await bench.idle()
        journal.put(died(row, 1))
        await bench.wait(0.04)
        journal.put(died(row, 2))
        assert bench.reasons(row) == ["deployment_created"]
        await bench.wait(0.02)
        assert bench.messages(row, "container_died") == ["number 1", "number 2"]
        journal.put(died(row, 3))
        await bench.wait(0.06)
        assert len(bench.messages(row, "container_died")) == 3

    bench.run(main())


def test_what_is_left_is_stored_at_the_end() -> None:
    bench = Bench()

    async def main() -> None:
        row = await bench.accept()
        journal = Journal(bench.store)
        await journal.flush()
        journal.put(died(row))
        await journal.flush()
        assert bench.reasons(row) == ["deployment_created", "container_died"]

    bench.run(main())


def test_past_its_bound_events_are_let_go() -> None:
    bench = Bench()

    async def main() -> None:
        row = await bench.accept()
        journal = Journal(bench.store)
        for number in range(BOUND + 5):
            journal.put(died(row, number))
        await journal.flush()
        stored = bench.store.events(row.id, level=Level.WARNING, limit=2000)
        assert f"number {BOUND - 1}" in {event.message for event in stored}
        assert f"number {BOUND}" not in {event.message for event in stored}

    bench.run(main())


class FullStore:
    """A store in which nothing can be recorded until the test says so."""

    def __init__(self, bench: Bench) -> None:
        self.is_full = True
        self.tries: list[float] = []
        self._bench = bench
        self._record = bench.store.record
        bench.store.record = self.record  # type: ignore[method-assign]  # the seam under test

    async def record(self, events: Sequence[EventDraft]) -> None:
        if self.is_full:
            self.tries.append(self._bench.clock.mono())
            raise HostError("the disk is full")
        await self._record(events)


def test_events_outlast_a_store_that_fails_and_keep_their_order(
    caplog: pytest.LogCaptureFixture,
) -> None:
    bench = Bench()

    async def main() -> None:
        row = await bench.accept()
        store = FullStore(bench)
        journal = Journal(bench.store)
        bench.spawn(journal.run())
        journal.put(died(row, 1))
        await bench.wait(0.1)
        journal.put(died(row, 2))
        await bench.wait(36)
        assert [round(b - a) for a, b in pairwise(store.tries)] == [1, 2, 4, 8, 8, 8]
        assert bench.messages(row, "container_died") == []
        store.is_full = False
        journal.put(died(row, 3))
        await bench.wait(8.1)
        assert bench.messages(row, "container_died") == ["number 1", "number 2", "number 3"]

    with caplog.at_level(logging.INFO):
        bench.run(main())
    assert [record.message for record in caplog.records if record.name.endswith("journal")] == [
        "deployment events wait until they can be stored: the disk is full",
        "the deployment events that waited are stored",
    ]


def test_a_store_that_fails_for_long_costs_the_newest_events(
    caplog: pytest.LogCaptureFixture,
) -> None:
    bench = Bench()

    async def main() -> None:
        row = await bench.accept()
        store = FullStore(bench)
        journal = Journal(bench.store)
        for number in range(BOUND):
            journal.put(died(row, number))
        assert not await journal.flush()
        for number in range(BOUND, BOUND + 5):
            journal.put(died(row, number))
        assert not await journal.flush()
        store.is_full = False
        assert await journal.flush()
        stored = bench.store.events(row.id, level=Level.WARNING, limit=2000)
        assert stored[0].message == f"number {BOUND - 1}"

    with caplog.at_level(logging.WARNING):
        bench.run(main())
    assert "5 deployment events were lost: too many waited" in caplog.text


def test_what_cannot_be_stored_at_the_end_is_told(caplog: pytest.LogCaptureFixture) -> None:
    bench = Bench()

    async def main() -> None:
        row = await bench.accept()
        store = FullStore(bench)
        journal = Journal(bench.store)
        journal.put(died(row))
        await journal.close()
        store.is_full = False
        await journal.close()
        assert bench.messages(row, "container_died") == ["number 0"]

    with caplog.at_level(logging.WARNING):
        bench.run(main())
    assert caplog.text.count("1 deployment events were lost: they could not be stored") == 1


def test_what_came_while_a_write_failed_stands_behind_what_was_tried() -> None:
    bench = Bench()

    async def main() -> None:
        row = await bench.accept()
        store = FullStore(bench)
        journal = Journal(bench.store)
        refuse = store.record

        async def slowly(events: Sequence[EventDraft]) -> None:
            await bench.wait(1)
            await refuse(events)

        bench.store.record = slowly  # type: ignore[method-assign]  # the seam under test
        journal.put(died(row, 1))
        failing = bench.loop.create_task(journal.flush())
        await bench.wait(0.5)
        for number in range(2, BOUND + 3):
            journal.put(died(row, number))
        assert not await failing
        store.is_full = False
        assert await journal.flush()
        stored = bench.store.events(row.id, level=Level.WARNING, limit=2000)
        assert stored[0].message == f"number {BOUND}"

    bench.run(main())
