"""What deployments take: the snapshot of all that run, and the look at one."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from ring.core.errors import NotFound
from ring.core.model.status import Status
from ring.core.model.usage import Snapshot
from ring.engine.sampling.machine import Machine
from ring.engine.sampling.sampler import CLOSEST_S, INLINE
from ring.engine.sampling.statistics import DEPLOYMENT_S, FIRST_S, Statistics
from ring.runtimes.base import Unavailable
from tests.engine.bench import Bench
from tests.engine.sampling.files import Files
from tests.virtual_time import START

if TYPE_CHECKING:
    from pathlib import Path

    from ring.core.model.deployment import Deployment
    from ring.core.model.ids import DeploymentId, InstanceId
    from ring.core.model.observed import Instance

INTERVAL_S = 10.0


class World:
    """A store, an engine in memory whose instances have files, and the statistics of both."""

    def __init__(self, root: Path) -> None:
        self.bench = Bench()
        self.files = Files(root, unified=True)
        self.statistics = Statistics(
            self.bench.store,
            {"docker": self.bench.runtime},
            {"docker": self},
            self.bench.clock,
            interval_s=INTERVAL_S,
            machine=Machine(self.bench.clock.mono, root),
        )

    def instances(self, row: DeploymentId) -> tuple[Instance, ...]:
        """What an observer knows: here, what the engine holds."""
        held = (container.instance for container in self.bench.engine.containers.values())
        return tuple(one for one in held if one.deployment_id == row)

    async def row(self, replicas: int = 1, **members: Any) -> Deployment:  # as `accept` takes them
        """A running deployment with so many instances, each with its files."""
        row = await self.bench.accept(**members)
        for _ in range(replicas):
            self.start(self.bench.running(self.bench.order(row, self.bench.name())).id)
        return await self.bench.change(row, status=Status.RUNNING)

    def start(self, instance_id: InstanceId) -> None:
        self.files.process(self.bench.engine.containers[instance_id].pid, instance_id)
        self.files.cpu(instance_id, 0.0)

    def ids(self, row: Deployment) -> list[InstanceId]:
        return [one.id for one in self.instances(row.id)]

    def asked(self) -> int:
        return self.bench.engine.requests

    def tell(self) -> Snapshot:
        return self.statistics.snapshot


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def test_before_the_first_look_there_is_nothing(world: World) -> None:
    async def main() -> None:
        assert world.tell() == Snapshot()
        assert world.tell().unix_s == 0

    world.bench.run(main())


def test_a_snapshot_of_all_that_run(world: World) -> None:
    async def main() -> None:
        row = await world.row(2)
        await world.row(1, name="idle")
        started = world.bench.clock.wall()
        await world.statistics.refresh()

        web, idle = world.tell().taken
        assert (web.deployment_id, web.name, web.namespace) == (row.id, "web", "media")
        assert (web.runtime, web.instances, idle.instances) == ("docker", 2, 1)
        assert web.usage.memory_bytes == 2 * (102_400 - 12_288)
        assert (web.usage.pids, web.usage.rx_packets) == (6, 38)
        assert world.tell().at is not None
        assert world.tell().unix_s >= int(started.timestamp())

    world.bench.run(main())


def test_the_share_of_a_core_is_what_was_used_between_two_looks(world: World) -> None:
    async def main() -> None:
        row = await world.row(2)
        await world.statistics.refresh()
        await world.bench.wait(INTERVAL_S)
        for instance_id, seconds in zip(world.ids(row), (5.0, 2.5), strict=True):
            world.files.cpu(instance_id, seconds)
        await world.statistics.refresh()

        assert world.tell().taken[0].usage.cpu_percent == pytest.approx(75.0, rel=0.05)

    world.bench.run(main())


def test_the_first_look_at_an_instance_takes_two_readings(world: World) -> None:
    async def main() -> None:
        row = await world.row(1)
        looking = world.bench.spawn(_refreshed(world))
        await world.bench.idle()
        world.files.cpu(world.ids(row)[0], CLOSEST_S)
        began = world.bench.clock.mono()
        await looking

        assert world.bench.clock.mono() - began < 2 * CLOSEST_S
        assert world.tell().taken[0].usage.cpu_percent == pytest.approx(100.0, rel=0.1)

    world.bench.run(main())


async def _refreshed(world: World) -> None:
    await world.statistics.refresh()


def test_a_look_right_after_another_is_measured_against_the_one_before(world: World) -> None:
    async def main() -> None:
        row = await world.row(1)
        await world.statistics.refresh()
        await world.bench.wait(INTERVAL_S)
        world.files.cpu(world.ids(row)[0], 1.0)
        await world.statistics.refresh()
        began = world.bench.clock.mono()
        (measured,) = await world.statistics.live(row)

        assert measured.usage.cpu_percent == pytest.approx(10.0, rel=0.1)
        assert world.bench.clock.mono() - began < CLOSEST_S, "it waited"

    world.bench.run(main())


def test_a_reading_of_long_ago_tells_no_rate(world: World) -> None:
    async def main() -> None:
        row = await world.row(1)
        await world.statistics.refresh()
        await world.bench.wait(61.0)
        world.files.cpu(world.ids(row)[0], 61.0)
        (measured,) = await world.statistics.live(row)

        assert measured.usage.cpu_percent == 0.0, "nothing was used between its two readings"

    world.bench.run(main())


def test_a_counter_that_went_back_is_no_use_of_a_core(world: World) -> None:
    async def main() -> None:
        row = await world.row(1)
        world.files.cpu(world.ids(row)[0], 9.0)
        await world.statistics.refresh()
        await world.bench.wait(INTERVAL_S)
        world.files.cpu(world.ids(row)[0], 1.0)
        await world.statistics.refresh()

        assert world.tell().taken[0].usage.cpu_percent == 0.0

    world.bench.run(main())


def test_the_engine_is_asked_once_for_an_instance(world: World) -> None:
    async def main() -> None:
        await world.row(3)
        await world.statistics.refresh()
        asked = world.asked()
        for _ in range(5):
            await world.bench.wait(INTERVAL_S)
            await world.statistics.refresh()

        assert world.asked() == asked
        assert world.tell().taken[0].instances == 3

    world.bench.run(main())


def test_an_instance_that_was_started_again_is_found_again(world: World) -> None:
    async def main() -> None:
        row = await world.row(1)
        await world.statistics.refresh()
        container = world.bench.engine.containers[world.ids(row)[0]]
        world.files.ends(container.pid)
        world.bench.engine.exit(container.instance.id, 1)
        world.bench.engine.start(container.instance.id)
        world.start(container.instance.id)

        (measured,) = await world.statistics.live(row)
        assert measured.usage.pids == 3
        await world.statistics.refresh()
        assert world.tell().taken[0].instances == 1

    world.bench.run(main())


def test_only_running_deployments_and_running_instances_count(world: World) -> None:
    async def main() -> None:
        row = await world.row(2)
        await world.bench.change(await world.row(1, name="failed"), status=Status.FAILED)
        world.bench.engine.exit(world.ids(row)[0], 1)
        await world.statistics.refresh()

        assert [(one.name, one.instances) for one in world.tell().taken] == [("web", 1)]
        assert len(await world.statistics.live(row)) == 1

    world.bench.run(main())


def test_a_deployment_that_cannot_be_measured_has_no_series(world: World) -> None:
    async def main() -> None:
        row = await world.row(1)
        world.files.ends(world.bench.engine.containers[world.ids(row)[0]].pid)
        await world.statistics.refresh()

        assert world.tell().taken == ()
        assert world.tell().unix_s > 0
        assert await world.statistics.live(row) == ()

    world.bench.run(main())


def test_an_engine_that_does_not_answer_costs_one_deployment_its_place(world: World) -> None:
    async def main() -> None:
        await world.row(1)
        await world.statistics.refresh()
        await world.row(1, name="late")
        world.bench.held.hold("process")
        began = world.bench.clock.mono()
        await world.statistics.refresh()

        assert world.bench.clock.mono() - began < DEPLOYMENT_S + 1
        assert [one.name for one in world.tell().taken] == ["web"]
        world.bench.held.release()
        await world.statistics.refresh()
        assert [one.name for one in world.tell().taken] == ["web", "late"]

    world.bench.run(main())


def test_an_engine_that_refuses_is_asked_again_the_next_time(world: World) -> None:
    async def main() -> None:
        row = await world.row(1)
        world.bench.engine.refusals["process"] = Unavailable("the engine is away")
        await world.statistics.refresh()
        assert world.tell().taken == ()
        assert await world.statistics.live(row) == ()

        del world.bench.engine.refusals["process"]
        await world.statistics.refresh()
        assert world.tell().taken[0].instances == 1

    world.bench.run(main())


def test_two_rows_of_one_name_are_one_series(world: World) -> None:
    async def main() -> None:
        first = await world.row(1)
        second = await world.row(2, image="nginx:1.26")
        await world.bench.change(second, parent_id=first.id)
        await world.bench.change(first, status=Status.RUNNING)
        await world.statistics.refresh()

        assert len(world.tell().taken) == 2
        (series,) = world.tell().series()
        assert (series.name, series.instances, series.usage.pids) == ("web", 3, 9)

    world.bench.run(main())


def test_what_is_gone_is_forgotten(world: World) -> None:
    async def main() -> None:
        row = await world.row(1)
        await world.statistics.refresh()
        gone = world.ids(row)[0]
        world.bench.engine.remove(gone)
        await world.statistics.refresh()
        sampler = world.statistics._sampler

        assert gone not in sampler._places
        assert gone not in sampler._rates

    world.bench.run(main())


def test_a_runtime_that_is_not_driven(world: World) -> None:
    async def main() -> None:
        row = await world.row(1, runtime="podman")
        with pytest.raises(NotFound, match="podman"):
            await world.statistics.live(row)
        await world.statistics.refresh()
        assert world.tell().taken == ()

    world.bench.run(main())


def test_looking_goes_on_every_interval(world: World) -> None:
    async def main() -> None:
        await world.row(1)
        world.bench.spawn(world.statistics.run())
        await world.bench.wait(FIRST_S + 3 * CLOSEST_S)
        first = world.tell().at
        assert first is not None
        await world.bench.wait(INTERVAL_S)
        second = world.tell().at
        assert second is not None
        assert second - first == pytest.approx(
            timedelta(seconds=INTERVAL_S), abs=timedelta(seconds=1)
        )
        assert second > START

    world.bench.run(main())


def test_many_are_read_beside_the_loop(tmp_path: Path) -> None:
    world = World(tmp_path)

    async def main() -> None:
        row = await world.row(INLINE + 1)

        measured = await world.statistics.live(row)
        await world.statistics.refresh()

        assert [one.id for one in measured] == world.ids(row)
        assert world.tell().taken[0].instances == INLINE + 1
        world.statistics.close()
        await world.bench.store.close()

    asyncio.run(main())  # threads and virtual time do not go together
    world.bench.loop.close()
