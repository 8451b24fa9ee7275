"""The autoscaler at work: what it reads, what it writes, what comes of it."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from ring.core.errors import HostError
from ring.core.model.status import Status
from ring.core.model.usage import Snapshot, Taken, Usage
from ring.engine.autoscaling import Autoscaler
from ring.engine.sampling.machine import Machine
from tests.engine.bench import WEB, Bench
from tests.engine.plant import Plant
from tests.engine.sampling.files import Files

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

    from ring.core.model.deployment import Deployment
    from ring.core.model.ids import GroupKey

POLICY = {"min": 2, "max": 4, "target_cpu": 50.0}


class Office:
    """An autoscaler on a store, and the load it is told."""

    def __init__(self, bench: Bench) -> None:
        self.bench = bench
        self.snapshot = Snapshot()
        self.woken: list[GroupKey] = []
        self.autoscaler = self.again()

    def again(self) -> Autoscaler:
        """Another server's: it remembers nothing."""
        self.autoscaler = Autoscaler(
            self.bench.store,
            self.bench.clock,
            snapshot=lambda: self.snapshot,
            wake=self.woken.append,
        )
        return self.autoscaler

    async def row(self, replicas: int = 2) -> Deployment:
        row = await self.bench.accept(autoscale=POLICY, replicas=replicas)
        return await self.bench.change(row, status=Status.RUNNING)

    async def look(self, row: Deployment, cpu: float, instances: int = 1) -> int | None:
        """One tick with this load of each instance; what is wanted afterwards."""
        usage = Usage(cpu_percent=cpu * instances)
        taken = Taken(row.id, "web", "media", "docker", instances, usage)
        self.snapshot = Snapshot(self.bench.clock.wall(), (taken,))
        await self.autoscaler.tick()
        return self.bench.now(row).desired_replicas


def test_a_step_is_stored_told_and_acted_on() -> None:
    bench = Bench()

    async def main() -> None:
        office = Office(bench)
        row = await office.row()
        assert await office.look(row, 90, instances=2) == 3
        now = bench.now(row)
        assert now.last_scaled_at == bench.clock.wall()
        assert now.spec.replicas == 2
        assert now.target == 3
        assert office.woken == [WEB]
        assert bench.messages(row, "scale_up") == [
            "Autoscaled from 2 to 3 instances (average CPU 90.0% against a 50% target)"
        ]
        (event, *_) = bench.store.events(row.id, level=None, limit=1)
        assert (event.component, event.level) == ("autoscaler", "info")

    bench.run(main())


def test_steps_keep_their_distance_also_over_a_kill_of_the_server() -> None:
    bench = Bench()

    async def main() -> None:
        office = Office(bench)
        row = await office.row()
        assert await office.look(row, 90) == 3
        await bench.wait(59)
        assert await office.look(row, 90) == 3
        office.again()
        assert await office.look(row, 90) == 3
        await bench.wait(1)
        assert await office.look(row, 90) == 4
        await bench.wait(299)
        assert await office.look(row, 1) == 4
        await bench.wait(1)
        assert await office.look(row, 1) == 3
        assert len(office.woken) == 3

    bench.run(main())


def test_a_wall_clock_that_is_set_back_costs_one_wait_at_most(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    bench = Bench()
    wall = bench.clock.wall
    jumped = timedelta()
    monkeypatch.setattr(bench.clock, "wall", lambda: wall() + jumped)

    async def main() -> None:
        nonlocal jumped
        office = Office(bench)
        row = await office.row()
        assert await office.look(row, 90) == 3
        jumped = timedelta(days=-1)
        await bench.wait(60)
        assert await office.look(row, 90) == 4  # it was read before the jump
        jumped = timedelta(days=-2)
        office.again()
        assert await office.look(row, 1) == 4
        await bench.wait(300)
        assert await office.look(row, 1) == 3

    bench.run(main())


def test_old_figures_and_none_move_nothing() -> None:
    bench = Bench()

    async def main() -> None:
        office = Office(bench)
        row = await office.row(replicas=1)
        await office.autoscaler.tick()
        assert bench.now(row).desired_replicas is None
        office.snapshot = Snapshot(bench.clock.wall())
        await bench.wait(121)
        await office.autoscaler.tick()
        assert bench.now(row).desired_replicas is None
        office.snapshot = Snapshot(bench.clock.wall() - timedelta(seconds=120))
        await office.autoscaler.tick()
        assert bench.now(row).desired_replicas == 2

    bench.run(main())


def test_a_row_that_changes_meanwhile_is_left_for_the_next_time() -> None:
    bench = Bench()

    async def main() -> None:
        office = Office(bench)
        row = await office.row()
        commit = bench.store.commit

        async def late(plan: object) -> bool:
            bench.store.commit = commit  # type: ignore[method-assign]  # once
            await bench.change(row, restart_count=1)
            return await commit(plan)  # type: ignore[arg-type]  # as it came

        bench.store.commit = late  # type: ignore[method-assign]  # somebody is quicker
        assert await office.look(row, 90) is None
        assert office.woken == []
        assert await office.look(row, 90) == 3

    bench.run(main())


def test_a_store_that_cannot_be_written_is_told_and_tried_again(
    caplog: pytest.LogCaptureFixture,
) -> None:
    bench = Bench()

    async def main() -> None:
        office = Office(bench)
        row = await office.row()
        commit = bench.store.commit

        async def full(plan: object) -> bool:
            raise HostError("the disk is full")

        bench.store.commit = full  # type: ignore[method-assign]  # the disk
        assert await office.look(row, 90) is None
        bench.store.commit = commit  # type: ignore[method-assign]  # as it was
        assert await office.look(row, 90) == 3

    bench.run(main())
    assert "the disk is full" in caplog.text


def test_a_busy_deployment_grows_to_its_bound_and_shrinks_again(tmp_path: Path) -> None:
    bench = Bench()
    files = Files(tmp_path, unified=True)

    async def main() -> None:
        plant = Plant(bench, machine=Machine(bench.clock.mono, tmp_path))
        await plant.start()
        row = await plant.apply(replicas=1, autoscale=POLICY)
        used: dict[str, float] = {}

        async def work(share: float, seconds: int) -> None:
            for _ in range(seconds):
                for instance in bench.live():
                    if instance.id not in used:
                        files.process(bench.engine.containers[instance.id].pid, instance.id)
                    used[instance.id] = used.get(instance.id, 1.0) + share
                    files.cpu(instance.id, used[instance.id])
                await bench.wait(1)

        await work(0.5, 15)
        assert len(bench.live()) == 2
        assert bench.now(row).desired_replicas == 2
        assert bench.messages(row, "scale_up")[-1].startswith("Autoscaled from 1 to 2")
        await work(0.95, 40)
        assert len(bench.live()) == 2  # the jump to the bound was a step
        await work(0.95, 30)
        assert len(bench.live()) == 3
        await work(0.95, 200)
        assert len(bench.live()) == 4
        await work(0.05, 320)
        assert len(bench.live()) == 3
        assert bench.now(row).spec.replicas == 1

    bench.run(main())
