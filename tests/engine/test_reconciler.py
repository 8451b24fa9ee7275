"""Passes: planned from one snapshot, durable before anything is begun, one group at a time."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING

from ring.core.errors import HostError
from ring.core.model.ledger import Phase
from ring.core.model.status import Status
from ring.core.plan.explaining import NOT_YET, State
from ring.core.plan.planner import plan
from ring.core.plan.view import Memory, Plan
from ring.engine.reconciler import random_suffix
from ring.store.verbs import Ask
from tests.core.bodies import CAPABILITIES
from tests.engine.bench import AUTHOR, WEB, Bench
from tests.engine.plant import Plant

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    import pytest

    from ring.core.plan.view import NameSource, Now, View


class SlowStore:
    """Commits of the bench's store wait until the test lets them through."""

    def __init__(self, bench: Bench) -> None:
        self.waiting: list[asyncio.Future[None]] = []
        self.answers: list[bool] = []
        self._commit: Callable[[Plan], Awaitable[bool]] = bench.store.commit
        bench.store.commit = self.commit  # type: ignore[method-assign]  # the seam under test

    async def commit(self, plan: Plan) -> bool:
        gate: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.waiting.append(gate)
        await gate
        answer = await self._commit(plan)
        self.answers.append(answer)
        return answer

    def let_through(self) -> None:
        self.waiting.pop(0).set_result(None)


def test_nothing_is_begun_before_its_plan_is_durable() -> None:
    bench = Bench()

    async def main() -> None:
        plant = Plant(bench)
        await plant.start()
        slow = SlowStore(bench)
        row = await plant.apply(replicas=2)
        await bench.wait(30)
        assert len(slow.waiting) == 1
        assert plant.engine.operations.in_flight(WEB) == ()
        assert bench.store.ledger(WEB) == {}
        assert bench.engine.networks == set()
        bench.held.hold("create")
        slow.let_through()
        await bench.idle()
        assert len(plant.engine.operations.in_flight(WEB)) == 2
        assert {e.phase for e in bench.store.ledger(WEB).values()} == {Phase.CREATING}
        assert {e.deployment_id for e in bench.store.ledger(WEB).values()} == {row.id}

    bench.run(main())


def test_a_plan_that_is_stale_is_made_again_from_what_is_there_now() -> None:
    bench = Bench()

    async def main() -> None:
        plant = Plant(bench)
        await plant.start()
        slow = SlowStore(bench)
        row = await plant.apply()
        await bench.store.delete(row.id, AUTHOR)
        slow.let_through()
        await bench.idle()
        assert slow.answers == [False]
        assert bench.store.ledger(WEB) == {}
        while bench.store.deployments():
            await bench.wait(1)
            while slow.waiting:
                slow.let_through()
                await bench.idle()
        assert bench.engine.containers == {}
        assert bench.engine.network_creations == 0

    bench.run(main())


class FullStore:
    """Commits fail until the test says that they do not."""

    def __init__(self, bench: Bench) -> None:
        self.reason = "the disk is full"
        self.tries: list[tuple[float, str]] = []
        self._bench = bench
        self._commit: Callable[[Plan], Awaitable[bool]] = bench.store.commit
        bench.store.commit = self.commit  # type: ignore[method-assign]  # a disk that is full

    async def commit(self, plan: Plan) -> bool:
        if self.reason:
            (name,) = {row.spec.name for row in plan.based_on}
            self.tries.append((self._bench.clock.mono(), name))
            raise HostError(self.reason)
        return await self._commit(plan)


def told(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [one.message for one in caplog.records if one.name == "ring.engine.store_outage"]


def test_a_store_that_fails_is_tried_again_later_and_later(
    caplog: pytest.LogCaptureFixture,
) -> None:
    bench = Bench()

    async def main() -> None:
        plant = Plant(bench)
        await plant.start()
        store = FullStore(bench)
        row = await plant.apply()
        await bench.wait(9)  # before a listing wakes everybody
        times = [at for at, _ in store.tries]
        assert [round(b - a) for a, b in pairwise(times) if round(b - a)] == [1, 2, 4]
        await bench.wait(60)
        assert len(store.tries) < 25
        assert bench.engine.containers == {}
        store.reason = ""
        await bench.wait(12)
        assert bench.now(row).status is Status.RUNNING
        store.reason = "the disk is full"
        tries = len(store.tries)
        await plant.apply(replicas=2)
        await bench.wait(1.1)
        assert len(store.tries) >= tries + 2  # the next time it begins anew

    with caplog.at_level(logging.WARNING):
        bench.run(main())
    assert told(caplog) == [
        "cannot store the plan of media/web: the disk is full; "
        "deployments stay as they are until it can be",
        "the database can be written again",
        "cannot store the plan of media/web: the disk is full; "
        "deployments stay as they are until it can be",
    ]


def test_many_groups_wait_for_one_that_is_tried_and_then_go_on_at_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    bench = Bench()

    async def main() -> None:
        plant = Plant(bench)
        await plant.start()
        store = FullStore(bench)
        names = {f"app{number}" for number in range(20)}
        for name in sorted(names):
            await bench.accept(name=name)
        await bench.idle()
        first = len(store.tries)
        assert {name for _, name in store.tries} == names
        await bench.wait(9)  # before a listing wakes everybody
        assert len(store.tries) - first == 3
        store.reason = "the disk is broken"
        await bench.wait(16)
        store.reason = ""
        await plant.apply()  # what a user changes is the first to get through
        await bench.wait(2)
        assert {one.status for one in bench.store.deployments()} == {Status.RUNNING}

    with caplog.at_level(logging.WARNING):
        bench.run(main())
    assert [line.partition(": ")[2].partition(";")[0] for line in told(caplog)] == [
        "the disk is full",
        "the disk is broken",
        "",
    ]


def test_a_group_that_has_nothing_to_store_any_more_makes_way_for_the_next() -> None:
    bench = Bench()
    quiet: set[str] = set()

    def planner(view: View, now: Now, names: NameSource) -> Plan:
        return Plan() if view.key.name in quiet else plan(view, now, names)

    async def main() -> None:
        plant = Plant(bench, planner=planner)
        await plant.start()
        store = FullStore(bench)
        await bench.accept(name="one")
        await bench.accept(name="two")
        await bench.idle()
        quiet.add("one")
        tries = len(store.tries)
        await bench.wait(1.1)
        assert {name for _, name in store.tries[tries:]} == {"two"}
        quiet.add("two")
        await bench.wait(30)
        quiet.clear()
        store.reason = ""
        await plant.apply()
        assert bench.engine.containers

    bench.run(main())


def test_a_defect_in_one_group_does_not_stop_the_others(
    caplog: pytest.LogCaptureFixture,
) -> None:
    bench = Bench()
    broken = True

    def planner(view: View, now: Now, names: NameSource) -> Plan:
        if view.key == WEB and broken:
            raise ZeroDivisionError("by zero")
        return plan(view, now, names)

    async def main() -> None:
        nonlocal broken
        plant = Plant(bench, planner=planner)
        await plant.start()
        web = await plant.apply()
        db = await plant.apply(name="db")
        await bench.wait(2)
        assert bench.now(db).status is Status.RUNNING
        assert bench.now(web).status is Status.CREATING
        assert "the pass over media/web failed" in caplog.text
        broken = False
        await bench.wait(10)
        assert bench.now(web).status is Status.RUNNING

    with caplog.at_level(logging.ERROR):
        bench.run(main())


def test_a_pass_sees_the_group_whole() -> None:
    bench = Bench()
    views: list[View] = []

    def planner(view: View, now: Now, names: NameSource) -> Plan:
        views.append(view)
        return plan(view, now, names)

    async def main() -> None:
        plant = Plant(bench, planner=planner)
        await plant.start()
        row = await plant.apply()
        await bench.wait(1)
        other = await plant.apply(name="db")
        await bench.wait(1)
        views.clear()
        plant.engine.wake(WEB)
        await bench.idle()
        (view,) = views
        assert view.key == WEB
        assert [one.id for one in view.rows] == [row.id]
        assert set(view.ledger) == {one.name for one in plant.engine.instances(row.id)}
        assert (view.operations, view.outcomes) == ((), ())
        assert view == replace(plant.engine.reconciler.view(WEB), memory=view.memory)
        assert other.id not in {row.id for row in view.rows}

    bench.run(main())


def test_a_group_that_is_gone_is_forgotten() -> None:
    bench = Bench()

    async def main() -> None:
        plant = Plant(bench)
        await plant.start()
        row = await plant.apply()
        await bench.wait(1)
        await plant.delete(row)
        assert plant.engine.reconciler._memory[WEB] != Memory()
        await bench.wait(5)
        assert bench.store.deployments() == ()
        assert plant.engine.reconciler._memory == {}
        assert plant.engine.reconciler._decided == {}
        assert plant.engine.explain(WEB) is None

    bench.run(main())


def test_what_is_stopped_comes_to_rest_and_starts_again() -> None:
    bench = Bench()

    async def main() -> None:
        plant = Plant(bench)
        await plant.start()
        row = await plant.apply(replicas=2)
        ask = Ask(row.id, AUTHOR, "mira", None, CAPABILITIES)
        seen = []
        for change in (None, bench.store.stop, bench.store.start):
            if change is not None:
                await change(ask)
            await bench.wait(20)
            found = plant.engine.explain(WEB)
            assert found is not None
            (one,) = found.rows
            seen.append((found.state, one.live, one.row.status, one.reason != NOT_YET))
            assert found.decided_at is not None
        assert seen == [
            (State.READY, 2, Status.RUNNING, True),
            (State.STOPPED, 0, Status.RUNNING, True),
            (State.READY, 2, Status.RUNNING, True),
        ]

    bench.run(main())


def test_a_name_ends_in_eight_hexadecimal_digits() -> None:
    drawn = {random_suffix() for _ in range(100)}
    assert len(drawn) == 100
    assert all(len(one) == 8 and int(one, 16) >= 0 and one == one.lower() for one in drawn)
