"""What a new server knows of health checks: everything but the probes in flight."""

from __future__ import annotations

from datetime import timedelta

from tests.engine.bench import WEB, Bench
from tests.engine.plant import Plant
from tests.engine.probing.scripted import GREEN, RED, Probes, check


def test_counters_and_green_times_go_on_after_a_kill() -> None:
    bench = Bench()

    async def main() -> None:
        probes = Probes(bench)
        plant = Plant(bench, probe=probes)
        task = await plant.start()
        row = await plant.apply(health_checks=[check("a", threshold=9), check("b")])
        await bench.wait(2.5)
        probes.status = lambda name, _: RED if name == "a" else GREEN
        await bench.wait(3.2)
        (before,) = plant.engine.prober.states(WEB).values()
        assert before[0].failures == 3
        await plant.kill(task)
        count = len(probes.began["a"])
        await bench.wait(20)
        assert len(probes.began["a"]) == count
        began = bench.loop.time()
        await plant.start()
        (after,) = plant.engine.prober.states(WEB).values()
        assert after[0].failures == 4
        assert after[1].ready_since is not None
        assert before[1].ready_since is not None
        assert abs(after[1].ready_since - before[1].ready_since) < 0.01
        assert probes.began["a"][count] - began < 0.1
        assert len(bench.live()) == 1
        assert bench.now(row).restart_count == 0

    bench.run(main())


def test_a_wall_clock_set_back_while_down_starts_the_green_time_over() -> None:
    bench = Bench()

    async def main() -> None:
        plant = Plant(bench, probe=Probes(bench))
        task = await plant.start()
        await plant.apply(health_checks=[check()])
        await bench.wait(5)
        bench.clock.jump(timedelta(days=-1))
        began = bench.loop.time()
        await plant.kill(task)
        await plant.start()
        (after,) = plant.engine.prober.states(WEB).values()
        since = after[0].ready_since
        assert since is not None
        assert began - 0.01 <= since <= bench.loop.time()

    bench.run(main())


def test_states_of_an_instance_that_was_removed_while_down_are_dropped() -> None:
    bench = Bench()

    async def main() -> None:
        plant = Plant(bench, probe=Probes(bench))
        task = await plant.start()
        await plant.apply(health_checks=[check()])
        await bench.wait(5)
        (old,) = bench.live()
        await plant.kill(task)
        bench.engine.remove_by_hand(old.id)
        await plant.start()
        await bench.wait(5)
        (new,) = bench.live()
        assert set(plant.engine.prober.states(WEB)) == {new.id}
        assert {one.instance_id for one in bench.store.health_checks.states()} == {new.id}

    bench.run(main())


def test_what_came_last_is_stored_at_an_orderly_end() -> None:
    bench = Bench()

    async def main() -> None:
        probes = Probes(bench)
        plant = Plant(bench, probe=probes)
        task = await plant.start()
        row = await plant.apply(health_checks=[check()])
        await bench.wait(5)
        await plant.stop(task)
        found = bench.store.health_checks.newest(row.id, 100)
        assert len(found) == len(probes.began["true"])
        assert {one.status for one in found} == {GREEN}

    bench.run(main())
