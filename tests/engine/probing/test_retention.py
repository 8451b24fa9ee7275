"""The job that keeps results few."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from ring.core.errors import HostError
from ring.core.model.health import ResultDraft
from ring.core.model.ids import InstanceId
from ring.engine.probing.retention import Retention
from tests.engine.bench import Bench
from tests.engine.probing.scripted import check

if TYPE_CHECKING:
    import pytest

    from ring.core.model.deployment import Deployment


async def add(bench: Bench, row: Deployment, count: int) -> None:
    now = bench.clock.wall()
    results = [
        ResultDraft(
            row.id,
            InstanceId("i-1"),
            0,
            "command",
            "success",
            str(number),
            now + timedelta(seconds=number),
            now,
        )
        for number in range(count)
    ]
    await bench.store.health_checks.save(results, (), ())


def count(bench: Bench, row: Deployment) -> int:
    return len(bench.store.health_checks.newest(row.id, 2000))


def test_every_five_minutes_each_deployment_keeps_its_newest_fifty() -> None:
    bench = Bench()

    async def main() -> None:
        row = await bench.accept(health_checks=[check()])
        other = await bench.accept(name="api", health_checks=[check()])
        bench.spawn(Retention(bench.store, bench.clock).run())
        await add(bench, row, 980)
        await add(bench, other, 20)
        await bench.wait(299)
        assert count(bench, row) == 980
        await bench.wait(2)
        assert (count(bench, row), count(bench, other)) == (50, 20)
        await add(bench, row, 30)
        await bench.wait(300)
        assert count(bench, row) == 50
        await bench.wait(7 * 86400 + 1800)
        assert (count(bench, row), count(bench, other)) == (0, 0)

    bench.run(main())


def test_a_store_that_fails_is_tried_again_the_next_time(caplog: pytest.LogCaptureFixture) -> None:
    bench = Bench()

    async def fails(*_: object, **__: object) -> bool:
        raise HostError("the disk is full")

    async def main() -> None:
        row = await bench.accept(health_checks=[check()])
        await add(bench, row, 80)
        bench.spawn(Retention(bench.store, bench.clock).run())
        works = bench.store.health_checks.purge
        bench.store.health_checks.purge = fails  # type: ignore[method-assign]  # the seam
        await bench.wait(301)
        assert count(bench, row) == 80
        bench.store.health_checks.purge = works  # type: ignore[method-assign]  # as it was
        await bench.wait(300)
        assert count(bench, row) == 50

    bench.run(main())
    assert "old results of health checks are not deleted: the disk is full" in caplog.text
