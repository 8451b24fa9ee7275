"""Rolling updates by the whole engine, probes and all, and a server that is killed in between."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any

import pytest

from ring.core.model.revision import Cause
from ring.core.model.status import Status
from ring.core.plan.planner import plan
from tests.engine.bench import WEB, Bench
from tests.engine.plant import Plant
from tests.engine.probing.scripted import GREEN, RED, Probes, check

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from ring.core.model.deployment import Deployment
    from ring.core.model.observed import Instance
    from ring.core.plan.view import NameSource, Now, Plan, View

READY = check(readiness=True, min_healthy_time="2s", threshold=10_000)
SETTLED_S = 90.0


class World:
    """One server with scripted probes; every pass is checked for what is left to serve."""

    def __init__(self) -> None:
        self.bench = Bench()
        self.probes = Probes(self.bench)
        self.least: int | None = None
        """The fewest live instances of both generations in any pass of a rollout."""
        self.plant = Plant(self.bench, planner=self._watched, probe=self.probes)

    def _watched(self, view: View, now: Now, names: NameSource) -> Plan:
        running = [row for row in view.rows if not row.is_deleted and row.status is Status.RUNNING]
        if any(row.parent_id for row in running):
            live = len(self.bench.live())
            self.least = live if self.least is None else min(self.least, live)
        return plan(view, now, names)

    async def apply(self, image: str = "nginx:1.25", **members: Any) -> Deployment:
        checks = {"health_checks": [READY]}
        return await self.plant.apply(image=image, **{**checks, **members})

    def rows(self) -> list[Deployment]:
        return list(self.bench.store.rows(WEB))

    def told(self, row: Deployment) -> list[str | None]:
        reasons = self.bench.reasons(row)
        return [one for one in reasons if one and one.startswith(("rolling", "rolled", "readi"))]

    def serving(self, row: Deployment) -> list[Instance]:
        return [one for one in self.bench.live() if one.deployment_id == row.id]

    async def settle(self) -> None:
        await self.bench.wait(SETTLED_S)


def steps(count: int) -> list[str]:
    return ["rolling_update_step"] * count + ["rolling_update_complete"]


@pytest.mark.parametrize(("old", "new"), [(1, 1), (3, 3), (3, 5), (5, 2)])
def test_a_rolling_update(old: int, new: int) -> None:
    world = World()

    async def main() -> None:
        await world.plant.start()
        parent = await world.apply(replicas=old)
        await world.settle()
        child = await world.apply(replicas=new, command=["new"])
        assert child.parent_id == parent.id
        await world.bench.wait(1)
        assert len(world.serving(parent)) == old
        assert len(world.serving(child)) == new
        await world.settle()
        (row,) = world.rows()
        assert (row.id, row.parent_id, row.status) == (child.id, None, Status.RUNNING)
        assert len(world.bench.live()) == len(world.serving(child)) == new
        assert world.told(child) == steps(old)
        assert world.least is not None
        assert world.least >= min(old, new)

    world.bench.run(main())


def test_running_is_shown_once_the_window_is_over_and_not_before() -> None:
    world = World()

    async def main() -> None:
        await world.plant.start()
        row = await world.apply()
        await world.bench.wait(1.9)
        assert world.bench.now(row).status is Status.CREATING
        assert "state_transition" not in world.bench.reasons(row)
        await world.bench.wait(0.5)
        assert world.bench.now(row).status is Status.RUNNING

    world.bench.run(main())


def test_a_child_that_never_becomes_ready_leaves_its_parent_alone() -> None:
    world = World()
    bad: set[str] = set()
    world.probes.status = lambda _, instance: RED if instance.deployment_id in bad else GREEN

    async def main() -> None:
        await world.plant.start()
        parent = await world.apply(replicas=2)
        await world.settle()
        before = {one.id for one in world.serving(parent)}
        child = await world.apply(replicas=2, command=["bad"])
        bad.add(child.id)
        await world.bench.wait(590)
        assert world.bench.now(child).status is Status.CREATING
        await world.bench.wait(20)
        assert world.bench.now(child).status is Status.FAILED
        assert world.told(child) == ["readiness_deadline_exceeded", "rolling_update_failed"]
        assert {one.id for one in world.serving(parent)} == before
        assert len(world.serving(child)) == 2  # kept to be looked at
        mended = await world.apply(replicas=2, command=["good"])
        assert mended.parent_id == parent.id
        await world.settle()
        assert [row.id for row in world.rows()] == [mended.id]

    world.bench.run(main())


def test_red_in_the_middle_pauses_and_green_goes_on() -> None:
    world = World()
    sick: set[str] = set()
    world.probes.status = lambda _, instance: RED if instance.id in sick else GREEN

    async def main() -> None:
        await world.plant.start()
        parent = await world.apply(replicas=3)
        await world.settle()
        child = await world.apply(replicas=3, command=["new"])
        while world.bench.now(parent).drain_target is None:
            await world.bench.wait(0.1)
        await world.bench.wait(0.1)
        sick.add(world.serving(child)[0].id)
        await world.bench.wait(2)
        held = len(world.serving(parent))
        await world.bench.wait(300)
        assert len(world.serving(parent)) == held >= 1
        sick.clear()
        await world.settle()
        assert [row.id for row in world.rows()] == [child.id]
        assert world.told(child) == steps(3)

    world.bench.run(main())


def test_a_rollout_that_fails_half_way_gives_back_what_it_took() -> None:
    world = World()

    async def main() -> None:
        await world.plant.start()
        parent = await world.apply(replicas=3)
        await world.settle()
        child = await world.apply(replicas=3, command=["new"])
        while world.bench.now(parent).drain_target is None:
            await world.bench.wait(0.1)
        world.bench.engine.exit(world.serving(child)[0].id, 127)
        await world.settle()
        assert world.told(child)[-1] == "rolling_update_failed"
        assert world.told(child).count("rolling_update_failed") == 1
        assert world.bench.now(parent).drain_target is None
        assert len(world.serving(parent)) == 3

    world.bench.run(main())


@pytest.mark.parametrize("parent_first", [True, False])
def test_a_row_deleted_by_hand_in_the_middle(parent_first: bool) -> None:
    world = World()

    async def main() -> None:
        await world.plant.start()
        parent = await world.apply(replicas=3)
        await world.settle()
        child = await world.apply(replicas=3, command=["new"])
        while world.bench.now(parent).drain_target is None:
            await world.bench.wait(0.1)
        gone, left = (parent, child) if parent_first else (child, parent)
        await world.plant.delete(gone)
        await world.settle()
        (row,) = world.rows()
        assert (row.id, row.parent_id, row.drain_target) == (left.id, None, None)
        assert len(world.bench.live()) == len(world.serving(left)) == 3
        assert "rolling_update_failed" not in world.told(left)

    world.bench.run(main())


def test_an_older_version_comes_back_where_a_new_one_fails_alone() -> None:
    world = World()

    async def main() -> None:
        await world.plant.start()
        await world.plant.apply(replicas=2)
        await world.settle()
        failed = await world.plant.apply(command=["bad"], auto_rollback=True)
        world.probes.status = lambda _, __: RED
        await world.bench.wait(1)
        for instance in world.serving(failed):
            world.bench.engine.exit(instance.id, 127)
        await world.settle()
        assert [row.revision for row in world.rows()] == [2]  # it was running by then
        bad = await world.plant.apply(command=["worse"], image="no:such", auto_rollback=True)
        await world.settle()
        (row,) = world.rows()
        assert (row.revision, row.cause, row.author) == (4, Cause.AUTO_ROLLBACK, None)
        assert row.status in {Status.CREATE_CONTAINER_ERROR, Status.RUNNING}
        assert row.spec.command == ("bad",)
        assert world.told(row)[:1] == ["rolled_back"]
        assert f"revision {bad.revision} has failed" in world.bench.messages(row, "rolled_back")[0]

    world.bench.run(main())


def test_a_child_that_fails_goes_where_its_spec_says_so() -> None:
    world = World()

    async def main() -> None:
        await world.plant.start()
        parent = await world.apply(replicas=2)
        await world.settle()
        await world.apply(replicas=2, image="no:such", auto_rollback=True)
        await world.settle()
        (row,) = world.rows()
        assert row.id == parent.id
        assert len(world.serving(parent)) == 2
        assert world.told(parent) == ["rolled_back"]

    world.bench.run(main())


class Killer:
    """Ends a server right after a commit, before anything of it is begun."""

    def __init__(self, bench: Bench, after: int | None) -> None:
        self.commits = 0
        self.struck = asyncio.Event()
        self._after = after
        self._commit: Callable[[Plan], Awaitable[bool]] = bench.store.commit
        bench.store.commit = self.commit  # type: ignore[method-assign]  # the seam under test

    async def commit(self, plan: Plan) -> bool:
        answer = await self._commit(plan)
        if self.commits == self._after:
            self.struck.set()
            await asyncio.get_running_loop().create_future()
        self.commits += 1
        return answer


def roll(after: int | None) -> int:
    """A rollout of two replicas; how many commits it takes. The server dies after that one."""
    world = World()
    made: list[int] = []

    async def main() -> None:
        task = await world.plant.start()
        await world.apply(replicas=2)
        await world.settle()
        killer = Killer(world.bench, after)
        child = await world.apply(replicas=2, command=["new"])
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(SETTLED_S):
                await killer.struck.wait()
        assert killer.struck.is_set() == (after is not None)
        if after is not None:
            await world.plant.kill(task)
            await world.bench.wait(1)
            await world.plant.start()
            await world.settle()
        (row,) = world.rows()
        assert (row.id, row.parent_id, row.status) == (child.id, None, Status.RUNNING)
        assert row.restart_count == 0
        assert len(world.bench.live()) == len(world.serving(child)) == 2
        assert world.told(child) == steps(2)
        assert world.least is not None
        assert world.least >= 2
        made.append(killer.commits)

    world.bench.run(main())
    return made[0]


def test_a_rollout_survives_a_kill_after_every_commit() -> None:
    commits = roll(None)
    assert commits > 8
    for after in range(commits):
        roll(after)


def test_what_is_superseded_never_takes_over() -> None:
    world = World()

    async def main() -> None:
        await world.plant.start()
        parent = await world.apply(replicas=2)
        await world.settle()
        first = await world.apply(replicas=2, command=["first"])
        while world.bench.now(parent).drain_target is None:
            await world.bench.wait(0.1)
        second = await world.apply(replicas=2, command=["second"])
        assert second.parent_id == parent.id
        drained = world.bench.now(parent).drain_target
        assert drained is not None
        await world.bench.wait(1)
        assert len(world.serving(parent)) <= drained
        await world.settle()
        assert [row.id for row in world.rows()] == [second.id]
        assert "rolling_update_complete" in world.told(second)
        assert world.bench.store.deployment(first.id) is None

    world.bench.run(main())


def test_a_child_that_wants_nothing_takes_over() -> None:
    world = World()

    async def main() -> None:
        await world.plant.start()
        await world.apply(replicas=2)
        await world.settle()
        child = await world.apply(replicas=0, command=["new"])
        await world.settle()
        (row,) = world.rows()
        assert (row.id, row.status, row.parent_id) == (child.id, Status.RUNNING, None)
        assert world.bench.live() == []
        assert world.told(child) == steps(2)

    world.bench.run(main())
