"""Memory that a deployment asks for, on the whole engine: refused, promised, tried again."""

from __future__ import annotations

from ring.core.model.status import Status
from tests.engine.bench import Bench
from tests.engine.plant import Plant

# The plant's host has 1 TiB.


def test_more_than_the_host_has_is_final_and_makes_nothing() -> None:
    bench = Bench()

    async def main() -> None:
        plant = Plant(bench)
        await plant.start()
        row = await plant.apply(resources={"requests": {"memory": "999Ti"}})
        refused = bench.now(row)
        assert refused.status is Status.INSUFFICIENT_RESOURCES
        assert refused.restart_count == 0
        (message,) = bench.messages(row, "insufficient_resources")
        assert "needs 1047527424 MiB but only 1048576 MiB is available" in message
        await bench.wait(3600)
        assert bench.now(row) == refused
        assert bench.engine.containers == {}
        assert bench.engine.networks == set()
        assert bench.messages(row, "insufficient_resources") == [message]

    bench.run(main())


def test_what_is_promised_to_a_start_in_flight_is_not_given_twice_and_asked_for_again() -> None:
    bench = Bench()

    async def main() -> None:
        plant = Plant(bench)
        await plant.start()
        bench.held.hold("start")
        row = await plant.apply(replicas=2, resources={"requests": {"memory": "600Gi"}})
        assert bench.now(row).status is Status.INSUFFICIENT_RESOURCES
        bench.held.release()
        await bench.wait(1)
        assert len(bench.live()) == 1
        assert bench.now(row).halt_reason is None
        await bench.wait(58)
        assert len(bench.live()) == 1
        await bench.wait(2)
        assert len(bench.live()) == 2
        assert bench.now(row).status is Status.RUNNING
        assert bench.now(row).restart_count == 0

    bench.run(main())


def test_a_job_that_asks_for_too_much_is_halted_uncounted() -> None:
    bench = Bench()

    async def main() -> None:
        plant = Plant(bench)
        await plant.start()
        row = await plant.apply(kind="job", resources={"limits": {"memory": "2Ti"}})
        await bench.wait(3600)
        assert bench.now(row).status is Status.INSUFFICIENT_RESOURCES
        assert bench.now(row).restart_count == 0
        assert bench.engine.containers == {}

    bench.run(main())
