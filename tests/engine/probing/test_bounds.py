"""Bounded work: whatever one deployment's checks do, all others are probed in time."""

from __future__ import annotations

from itertools import pairwise

import pytest

from ring.engine.probing.places import SHARE
from tests.engine.bench import Bench
from tests.engine.plant import Plant
from tests.engine.probing.scripted import RED, Probes, check

LATE_S = 0.05


class Clocked:
    """A plant whose second deployment is probed beside a first one that is a burden."""

    def __init__(self, bench: Bench) -> None:
        self.bench = bench
        self.probes = Probes(bench)
        self.plant = Plant(bench, probe=self.probes)

    async def begin(self, burden: list[dict[str, object]], replicas: int = 1) -> None:
        await self.plant.start()
        await self.plant.apply(name="burden", replicas=replicas, health_checks=burden)
        others = [check(f"other {number}") for number in range(5)]
        await self.plant.apply(name="api", health_checks=others)
        await self.bench.wait(5)

    def worst_s(self, since: float) -> float:
        """By how much a check of the other deployment was too late, at most."""
        worst = 0.0
        for number in range(5):
            times = [at for at in self.probes.began[f"other {number}"] if at >= since]
            assert len(times) >= 29
            worst = max(worst, *(b - a - 1.0 for a, b in pairwise(times)))
        return worst


@pytest.mark.parametrize("takes_s", [0.0, 0.3, 0.9, 1.5, 30.0, 1e6])
def test_three_hundred_checks_on_one_deployment_delay_no_other(takes_s: float) -> None:
    bench = Bench()

    async def main() -> None:
        clocked = Clocked(bench)
        clocked.probes.takes_s = lambda name: 0.0 if name.startswith("other") else takes_s
        await clocked.begin([check(f"{number}", threshold=10**6) for number in range(300)])
        began = bench.loop.time()
        await bench.wait(30)
        assert clocked.worst_s(began) <= LATE_S
        assert clocked.probes.most["burden"] <= SHARE

    bench.run(main())


def test_many_deployments_that_hang_delay_no_other() -> None:
    bench = Bench()

    async def main() -> None:
        clocked = Clocked(bench)
        clocked.probes.takes_s = lambda name: 0.0 if name.startswith("other") else 1e6
        await clocked.begin([check("0")])
        hanging = [check(f"{number}") for number in range(10)]
        for number in range(40):
            await clocked.plant.apply(name=f"hangs-{number}", health_checks=hanging)
        await bench.wait(10)
        began = bench.loop.time()
        await bench.wait(60)
        assert clocked.worst_s(began) <= LATE_S
        assert sum(clocked.probes.in_flight.values()) <= 256

    bench.run(main())


def test_every_one_of_many_checks_has_its_turn() -> None:
    bench = Bench()

    async def main() -> None:
        clocked = Clocked(bench)
        clocked.probes.takes_s = lambda name: 0.0 if name.startswith("other") else 0.1
        clocked.probes.status = lambda _, __: RED
        await clocked.begin([check(f"{number}", threshold=10**6) for number in range(300)])
        await bench.wait(60)
        counts = [len(clocked.probes.began[f"{number}"]) for number in range(300)]
        assert min(counts) >= 13
        assert max(counts) - min(counts) <= 2

    bench.run(main())
