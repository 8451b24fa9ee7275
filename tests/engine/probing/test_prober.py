"""The schedule of probes, and what passes learn of it."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from ring.core.model.status import Status
from ring.core.plan.planner import plan
from tests.engine.bench import WEB, Bench
from tests.engine.plant import Plant
from tests.engine.probing.scripted import GREEN, RED, Probes, check

if TYPE_CHECKING:
    import pytest

    from ring.core.model.health import Fired
    from ring.core.model.observed import Instance
    from ring.core.plan.view import NameSource, Now, Plan, View


def gaps(times: list[float]) -> list[float]:
    return [later - earlier for earlier, later in pairwise(times)]


def test_a_check_runs_as_soon_as_the_instance_lives_and_then_every_interval() -> None:
    bench = Bench()

    async def main() -> None:
        probes = Probes(bench)
        plant = Plant(bench, probe=probes)
        await plant.start()
        began = bench.loop.time()
        await plant.apply(health_checks=[check("true", readiness=True, interval="2s")])
        await bench.wait(9.9)
        first, *_ = probes.began["true"]
        assert first - began < 0.01
        assert len(probes.began["true"]) == 5
        assert all(1.99 < gap < 2.01 for gap in gaps(probes.began["true"]))

    bench.run(main())


def test_only_readiness_checks_run_until_the_row_is_running() -> None:
    bench = Bench()

    async def main() -> None:
        probes = Probes(bench)
        plant = Plant(bench, probe=probes)
        await plant.start()
        row = await plant.apply(
            health_checks=[check("alive"), check("ready", readiness=True, min_healthy_time="0s")]
        )
        await bench.wait(0.2)
        assert bench.now(row).status is Status.CREATING
        assert set(probes.began) == {"ready"}
        await bench.wait(3)
        assert bench.now(row).status is Status.RUNNING
        assert set(probes.began) == {"ready", "alive"}

    bench.run(main())


def test_passes_see_where_checks_stand_and_take_in_what_fired() -> None:
    bench = Bench()
    fired: list[Fired] = []

    def planner(view: View, now: Now, names: NameSource) -> Plan:
        fired.extend(view.fired)
        return plan(view, now, names)

    async def main() -> None:
        probes = Probes(bench)
        plant = Plant(bench, probe=probes, planner=planner)
        await plant.start()
        row = await plant.apply(health_checks=[check("a"), check("b", threshold=2)])
        await bench.wait(1.0)
        (instance,) = bench.live()

        def failures() -> dict[int, int]:
            checks = plant.engine.reconciler.view(WEB).checks[instance.id]
            return {index: state.failures for index, state in checks.items()}

        assert failures() == {0: 0, 1: 0}
        probes.status = lambda name, _: RED if name == "b" else GREEN
        await bench.wait(0.8)
        assert failures() == {0: 0, 1: 1}
        assert fired == []
        await bench.wait(1.0)
        assert failures() == {0: 0, 1: 0}
        assert [(one.check_index, one.instance_id, one.message) for one in fired] == [
            (1, instance.id, "b was failed")
        ]
        assert plant.engine.prober.fired(WEB) == ()  # it is part of a committed plan
        await bench.wait(2.0)
        assert len(fired) == 2
        assert bench.now(row).status is Status.RUNNING

    bench.run(main())


def test_probes_end_with_the_row_and_with_their_instance() -> None:
    bench = Bench()

    async def main() -> None:
        probes = Probes(bench)
        probes.takes_s = lambda _: 3.0
        plant = Plant(bench, probe=probes)
        await plant.start()
        row = await plant.apply(health_checks=[check()])
        await bench.wait(1.0)
        bench.held.hold("stop", "remove")
        assert probes.in_flight["web"] == 1
        await plant.delete(row)
        assert probes.in_flight["web"] == 0
        assert probes.gave_up == ["true"]
        count = len(probes.began["true"])
        await bench.wait(5)
        assert len(probes.began["true"]) == count
        bench.held.release()
        await bench.wait(5)
        assert plant.engine.prober.states(WEB) == {}

    bench.run(main())


def test_a_flapping_check_never_fires_and_a_steady_one_wakes_nobody() -> None:
    bench = Bench()
    passes = []

    def planner(view: View, now: Now, names: NameSource) -> Plan:
        passes.append(view)
        return plan(view, now, names)

    async def main() -> None:
        probes = Probes(bench)
        plant = Plant(bench, probe=probes, planner=planner)
        await plant.start()
        row = await plant.apply(health_checks=[check("a"), check("b", threshold=2)])
        await bench.wait(30)
        settled = bench.now(row)
        passes.clear()
        await bench.wait(60)
        assert len(passes) <= 7  # the sweeps alone
        assert bench.now(row) == settled
        probes.status = lambda _, __: (RED, GREEN)[len(probes.began["b"]) % 2]
        passes.clear()
        await bench.wait(60)
        assert 60 <= len(passes) <= 70 * 2
        assert all(view.fired == () for view in passes)

    bench.run(main())


def test_a_probe_never_overlaps_itself_and_missed_turns_are_not_made_up_for() -> None:
    bench = Bench()

    async def main() -> None:
        probes = Probes(bench)
        probes.takes_s = lambda _: 2.5
        plant = Plant(bench, probe=probes)
        await plant.start()
        await plant.apply(health_checks=[check(interval="1s", timeout="4s")])
        await bench.wait(0.5)
        await bench.wait(30)
        assert probes.most["web"] == 1
        assert all(2.99 < gap < 3.01 for gap in gaps(probes.began["true"]))
        probes.takes_s = lambda _: 0.0
        await bench.wait(10)
        assert all(0.99 < gap < 1.01 for gap in gaps(probes.began["true"])[-5:])

    bench.run(main())


def test_intervals_have_a_floor() -> None:
    bench = Bench()

    async def main() -> None:
        probes = Probes(bench)
        plant = Plant(bench, probe=probes)
        await plant.start()
        await plant.apply(health_checks=[check(interval="1ms")])
        await bench.wait(10)
        assert all(0.199 < gap < 0.21 for gap in gaps(probes.began["true"]))

    bench.run(main())


def test_a_result_counts_by_the_rows_state_when_its_probe_began() -> None:
    bench = Bench()

    async def main() -> None:
        probes = Probes(bench)
        plant = Plant(bench, probe=probes)
        await plant.start()
        ready = check("ready", readiness=True, min_healthy_time="0s", interval="1s", threshold=1)
        probes.status = lambda _, __: RED
        await plant.apply(health_checks=[ready])
        await bench.wait(5)
        (instance,) = bench.live()
        (states,) = plant.engine.prober.states(WEB).values()
        assert (states[0].status, states[0].failures) == (RED, 0)
        assert instance.id in plant.engine.prober.states(WEB)

    bench.run(main())


def test_while_the_runtime_is_away_nothing_is_probed_and_nothing_concluded() -> None:
    bench = Bench()

    async def main() -> None:
        probes = Probes(bench)
        plant = Plant(bench, probe=probes)
        await plant.start()
        await plant.apply(health_checks=[check(threshold=50)])
        await bench.wait(5)
        before = plant.engine.prober.states(WEB)
        probes.status = lambda _, __: RED
        bench.engine.go_away()
        await bench.wait(2)
        count = len(probes.began["true"])
        await bench.wait(60)
        assert len(probes.began["true"]) == count
        seen = plant.engine.prober.states(WEB)
        assert seen.keys() == before.keys()
        bench.engine.come_back()
        await bench.wait(60)
        assert len(probes.began["true"]) > count

    bench.run(main())


def test_a_defect_and_a_probe_that_never_ends_are_results_like_others(
    caplog: pytest.LogCaptureFixture,
) -> None:
    bench = Bench()

    async def main() -> None:
        probes = Probes(bench)
        plant = Plant(bench, probe=probes)
        await plant.start()
        row = await plant.apply(health_checks=[check(timeout="2s", threshold=9)])
        await bench.wait(3)

        def broken(_name: str, _instance: Instance) -> str:
            raise ValueError("no")

        probes.status = broken
        await bench.wait(1)
        probes.takes_s = lambda _: 1e6
        await bench.wait(15)
        found = [one.message for one in bench.store.health_checks.newest(row.id, 2)]
        assert found == ["Health check timed out", "Failed to run the health check: ValueError"]

    bench.run(main())
    assert "did not keep its own timeout" in caplog.text
    assert "failed by a defect" in caplog.text


def test_an_interval_that_cannot_be_read_is_ten_seconds_and_said_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    bench = Bench()

    async def main() -> None:
        probes = Probes(bench)
        plant = Plant(bench, probe=probes)
        await plant.start()
        await plant.apply(replicas=2, health_checks=[check(interval="soon")])
        await bench.wait(35)
        assert len(probes.began["true"]) == 2 * 4

    bench.run(main())
    assert caplog.text.count("the interval 'soon' of health check 0 cannot be read") == 1
