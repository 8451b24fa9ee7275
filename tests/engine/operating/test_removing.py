"""Removals of instances, and the cleaning up of what starts have made."""

from __future__ import annotations

import asyncio

import pytest

from ring.core.model.failures import FailureClass
from ring.core.model.ids import DeploymentId, InstanceId
from ring.core.model.operations import (
    InspectInstance,
    OperationFailed,
    Removed,
    RemoveInstance,
    StartInstance,
)
from ring.runtimes.base import RuntimeFailure
from tests.engine.bench import AUTHOR, Bench
from tests.engine.operating.shop import Shop


@pytest.mark.parametrize("by_name", [True, False])
@pytest.mark.parametrize("stop", [True, False])
def test_a_removal_stops_removes_and_notes_it(by_name: bool, stop: bool) -> None:
    bench = Bench()

    async def main() -> None:
        shop = Shop(bench)
        row = await bench.accept()
        instance = bench.running(bench.order(row, bench.name()))
        if not stop:
            bench.engine.exit(instance.id, 1)
        shop.observer.note(instance)
        result = await shop.executor.run(
            RemoveInstance(row.id, instance.name, None if by_name else instance.id, 10.0, stop=stop)
        )
        assert result == Removed()
        assert bench.engine.containers == {}
        assert shop.noted(row) == ()

    bench.run(main())


@pytest.mark.parametrize("by_name", [True, False])
def test_what_is_gone_already_is_removed(by_name: bool) -> None:
    bench = Bench()

    async def main() -> None:
        row = await bench.accept()
        gone = None if by_name else InstanceId("gone")
        result = await Shop(bench).executor.run(RemoveInstance(row.id, bench.name(), gone, 10.0))
        assert result == Removed()

    bench.run(main())


def test_a_removal_by_name_leaves_somebody_elses_alone() -> None:
    bench = Bench()

    async def main() -> None:
        row = await bench.accept()
        other = await bench.accept(name="db")
        theirs = bench.running(bench.order(other, bench.name()))
        result = await Shop(bench).executor.run(RemoveInstance(row.id, theirs.name, None, 10.0))
        assert result == Removed()
        assert [one.id for one in bench.live()] == [theirs.id]

    bench.run(main())


def test_a_removal_by_name_leaves_a_copy_of_another_instance_alone() -> None:
    """The name was drawn for a start, and was taken."""
    bench = Bench()

    async def main() -> None:
        row = await bench.accept()
        original = bench.running(bench.order(row, bench.name()))
        copy = bench.engine.copy_by_hand(original.id, name := bench.name())
        result = await Shop(bench).executor.run(RemoveInstance(row.id, name, None, 10.0))
        assert result == Removed()
        assert [one.id for one in bench.live()] == [original.id, copy]

    bench.run(main())


def test_what_cannot_be_stopped_is_still_to_be_removed() -> None:
    bench = Bench()

    async def main() -> None:
        row = await bench.accept()
        instance = bench.made(bench.order(row, bench.name()))
        bench.engine.refusals["stop"] = RuntimeFailure(FailureClass.OTHER, "no such process")
        result = await Shop(bench).executor.run(
            RemoveInstance(row.id, instance.name, instance.id, 10.0)
        )
        assert result == Removed()

    bench.run(main())


def test_an_engine_that_is_away_removes_nothing() -> None:
    bench = Bench()

    async def main() -> None:
        row = await bench.accept()
        bench.engine.away = True
        result = await Shop(bench).executor.run(
            RemoveInstance(row.id, bench.name(), InstanceId("i"), 10.0)
        )
        assert isinstance(result, OperationFailed)
        assert result.failure.kind is FailureClass.UNAVAILABLE

    bench.run(main())


# cleaning up


def test_cleaning_up_removes_what_a_start_has_made() -> None:
    bench = Bench()

    async def main() -> None:
        shop = Shop(bench)
        row = await bench.accept()
        instance = bench.running(bench.order(row, bench.name()))
        shop.observer.note(instance)
        assert await shop.executor.clean_up(StartInstance(row.id, instance.name))
        assert bench.engine.containers == {}
        assert shop.noted(row) == ()
        assert await shop.executor.clean_up(StartInstance(row.id, instance.name))

    bench.run(main())


def test_cleaning_up_finds_what_a_start_made_under_another_name_too() -> None:
    bench = Bench()

    async def main() -> None:
        shop = Shop(bench)
        row = await bench.accept()
        name = bench.name()
        bench.held.hold("start")
        task = asyncio.ensure_future(shop.start(row, name))
        await bench.idle()
        task.cancel()
        await bench.idle()
        (made,) = bench.engine.containers
        bench.engine.rename_by_hand(made, "another")
        assert await shop.executor.clean_up(StartInstance(row.id, name))
        assert bench.engine.containers == {}

    bench.run(main())


def test_cleaning_up_touches_only_starts_of_rows_that_are_there() -> None:
    bench = Bench()

    async def main() -> None:
        shop = Shop(bench)
        row = await bench.accept()
        instance = bench.running(bench.order(row, bench.name()))
        asked = InspectInstance(row.id, instance.name, instance.id)
        assert not await shop.executor.clean_up(asked)
        assert not await shop.executor.clean_up(StartInstance(DeploymentId("x"), instance.name))
        assert len(bench.live()) == 1

    bench.run(main())


def test_cleaning_up_leaves_a_job_that_may_have_run() -> None:
    bench = Bench()

    async def main() -> None:
        shop = Shop(bench)
        row = await bench.accept(kind="job")
        instance = bench.running(bench.order(row, bench.name()))
        assert not await shop.executor.clean_up(StartInstance(row.id, instance.name))
        assert len(bench.live()) == 1
        await bench.store.delete(row.id, AUTHOR)
        assert await shop.executor.clean_up(StartInstance(row.id, instance.name))
        assert bench.live() == []

    bench.run(main())


def test_cleaning_up_leaves_somebody_elses_alone() -> None:
    bench = Bench()

    async def main() -> None:
        shop = Shop(bench)
        row = await bench.accept()
        other = await bench.accept(name="db")
        theirs = bench.running(bench.order(other, bench.name()))
        assert await shop.executor.clean_up(StartInstance(row.id, theirs.name))
        assert [one.id for one in bench.live()] == [theirs.id]

    bench.run(main())
