"""What the runtimes report, on its way into the store."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from ring.core.errors import HostError
from ring.core.model.events import EventDraft, Level
from ring.engine.journal import BOUND, Journal
from tests.engine.bench import Bench

if TYPE_CHECKING:
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


def test_a_store_that_fails_costs_the_events_and_nothing_else(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = Bench()

    async def full(_: object) -> None:
        raise HostError("the disk is full")

    async def main() -> None:
        row = await bench.accept()
        journal = Journal(bench.store)
        bench.spawn(journal.run())
        with monkeypatch.context() as patch:
            patch.setattr(bench.store, "record", full)
            journal.put(died(row))
            await bench.wait(0.1)
        journal.put(died(row, 2))
        await bench.wait(0.1)
        assert bench.messages(row, "container_died") == ["number 2"]

    with caplog.at_level(logging.WARNING):
        bench.run(main())
    assert "1 deployment events could not be stored: the disk is full" in caplog.text
