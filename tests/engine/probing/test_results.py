"""Results of probes on their way into the store."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from ring.core.errors import HostError
from ring.core.model.health import ResultDraft, SavedState
from ring.core.model.ids import InstanceId
from ring.engine.probing.results import BOUND, Results
from tests.engine.bench import Bench

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from typing import Any

    import pytest

    from ring.core.model.deployment import Deployment

ONE = InstanceId("i-1")


def result(bench: Bench, row: Deployment, message: str) -> ResultDraft:
    now = bench.clock.wall()
    return ResultDraft(row.id, ONE, 0, "tcp", "failed", message, now, now)


def state(row: Deployment, failures: int) -> SavedState:
    return SavedState(row.id, ONE, 0, "failed", failures, None)


def stored(bench: Bench, row: Deployment) -> list[str | None]:
    return [one.message for one in reversed(bench.store.health_checks.newest(row.id, 2000))]


class Watched:
    """The bench's store, whose writes of results are counted, and fail when told to."""

    def __init__(self, bench: Bench) -> None:
        self.writes = 0
        self.trouble: str | None = None
        self._save: Callable[..., Awaitable[None]] = bench.store.health_checks.save
        bench.store.health_checks.save = self.save  # type: ignore[method-assign,assignment]  # the seam

    async def save(self, *what: Any) -> None:
        self.writes += 1
        if self.trouble is not None:
            raise HostError(self.trouble)
        await self._save(*what)


def test_results_and_states_are_gathered_and_stored_together() -> None:
    bench = Bench()

    async def main() -> None:
        row = await bench.accept()
        watched, results = Watched(bench), Results(bench.store)
        bench.spawn(results.run())
        for number in range(100):
            results.put(result(bench, row, f"{number}"), state(row, number))
            await bench.wait(0.01)
        await bench.wait(0.3)
        assert stored(bench, row) == [str(number) for number in range(100)]
        assert bench.store.health_checks.states() == (state(row, 99),)
        assert watched.writes in {4, 5}
        await bench.wait(60)
        assert watched.writes in {4, 5}

    bench.run(main())


def test_results_that_change_nothing_wait_a_second_for_others() -> None:
    bench = Bench()

    async def main() -> None:
        row = await bench.accept()
        watched, results = Watched(bench), Results(bench.store)
        bench.spawn(results.run())
        await bench.idle()
        results.put(result(bench, row, "a"), None)
        await bench.wait(0.9)
        assert watched.writes == 0
        results.put(result(bench, row, "b"), None)
        await bench.wait(0.2)
        assert stored(bench, row) == ["a", "b"]
        assert watched.writes == 1
        results.put(result(bench, row, "c"), None)
        await bench.wait(0.1)
        results.put(result(bench, row, "d"), state(row, 1))
        await bench.wait(0.26)
        assert stored(bench, row) == ["a", "b", "c", "d"]

    bench.run(main())


def test_a_state_that_did_not_change_leaves_the_one_that_waits() -> None:
    bench = Bench()

    async def main() -> None:
        row = await bench.accept()
        results = Results(bench.store)
        results.put(result(bench, row, "a"), state(row, 1))
        results.put(result(bench, row, "b"), None)
        await results.flush()
        assert bench.store.health_checks.states() == (state(row, 1),)

    bench.run(main())


def test_states_of_an_instance_that_is_gone_are_dropped_and_results_are_not() -> None:
    bench = Bench()

    async def main() -> None:
        row = await bench.accept()
        results = Results(bench.store)
        results.put(result(bench, row, "a"), state(row, 1))
        await results.flush()
        results.put(result(bench, row, "b"), state(row, 2))
        results.forget([ONE])
        await results.close()
        assert bench.store.health_checks.states() == ()
        assert stored(bench, row) == ["a", "b"]

    bench.run(main())


def test_while_the_store_fails_results_wait_and_none_is_stored_twice(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    bench = Bench()

    async def main() -> None:
        row = await bench.accept()
        watched, results = Watched(bench), Results(bench.store)
        bench.spawn(results.run())
        watched.trouble = "the disk is full"
        results.put(result(bench, row, "a"), state(row, 1))
        await bench.wait(1)
        results.put(result(bench, row, "b"), state(row, 2))
        await bench.wait(60)
        assert 5 < watched.writes < 15
        watched.trouble = None
        await bench.wait(10)
        assert stored(bench, row) == ["a", "b"]
        assert bench.store.health_checks.states() == (state(row, 2),)

    bench.run(main())
    texts = [record.message for record in caplog.records]
    assert (
        texts.count("results of health checks wait until they can be stored: the disk is full") == 1
    )
    assert texts.count("the results of health checks that waited are stored") == 1


def test_an_instance_that_goes_while_the_store_fails_leaves_no_state() -> None:
    bench = Bench()

    async def main() -> None:
        row = await bench.accept()
        watched, results = Watched(bench), Results(bench.store)
        results.put(result(bench, row, "a"), state(row, 1))
        await results.flush()
        watched.trouble = "the disk is full"
        results.put(result(bench, row, "b"), state(row, 2))
        assert not await results.flush()
        results.forget([ONE])
        assert not await results.flush()
        watched.trouble = None
        assert await results.flush()
        assert bench.store.health_checks.states() == ()

    bench.run(main())


def test_too_many_results_lose_the_oldest(caplog: pytest.LogCaptureFixture) -> None:
    bench = Bench()

    async def main() -> None:
        row = await bench.accept()
        watched, results = Watched(bench), Results(bench.store)
        watched.trouble = "the disk is full"
        results.put(result(bench, row, "first"), state(row, 1))
        await results.flush()
        for number in range(BOUND + 5):
            results.put(result(bench, row, f"{number}"), None)
        watched.trouble = None
        await results.close()
        assert stored(bench, row) == [str(number) for number in range(5, BOUND + 5)]
        assert bench.store.health_checks.states() == (state(row, 1),)

    bench.run(main())
    assert "6 results of health checks were lost: too many waited" in caplog.text


def test_what_cannot_be_stored_at_the_end_is_said(caplog: pytest.LogCaptureFixture) -> None:
    bench = Bench()

    async def main() -> None:
        row = await bench.accept()
        watched, results = Watched(bench), Results(bench.store)
        watched.trouble = "the disk is full"
        results.put(result(bench, row, "a"), None)
        await results.close()

    bench.run(main())
    assert "1 results of health checks were lost" in caplog.text
