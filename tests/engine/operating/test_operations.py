"""Lanes: how many at once, whose turn it is, giving up, ending."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

import pytest

from ring.core.model.failures import FailureClass
from ring.core.model.ids import DeploymentId, GroupKey, InstanceId, InstanceName
from ring.core.model.operations import (
    Action,
    Inspected,
    InspectInstance,
    OperationFailed,
    Removed,
    RemoveInstance,
    Result,
    StartFailed,
    StartInstance,
)
from ring.engine.operating.operations import PATIENCE_S, Operations
from tests.virtual_time import VirtualClock, VirtualLoop, run

if TYPE_CHECKING:
    from collections.abc import Coroutine

WEB, DB = GroupKey("media", "web"), GroupKey("media", "db")
ROW = DeploymentId("row")


def start(number: int) -> StartInstance:
    return StartInstance(ROW, InstanceName(f"n{number}"))


def inspect(number: int) -> InspectInstance:
    return InspectInstance(ROW, InstanceName(f"n{number}"), InstanceId(f"i{number}"))


def stop(number: int, grace_s: float = 10.0) -> RemoveInstance:
    return RemoveInstance(ROW, InstanceName(f"n{number}"), InstanceId(f"i{number}"), grace_s)


class Hands:
    """Carries actions out when the test says so."""

    def __init__(self) -> None:
        self.begun: list[InstanceName] = []
        self.answers: dict[InstanceName, asyncio.Future[Result]] = {}
        self.cleaned: list[InstanceName] = []
        self.pulls: dict[InstanceName, asyncio.Future[Result | None]] = {}
        self.forgotten: list[InstanceName] = []
        self.clean_up_s = 0.0
        self.is_clean = True

    async def prepare(self, action: StartInstance) -> Result | None:
        if action.name in self.pulls:
            return await self.pulls[action.name]
        return None

    def forget(self, action: StartInstance) -> None:
        self.forgotten.append(action.name)

    async def run(self, action: Action) -> Result:
        self.begun.append(action.name)
        answer: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        self.answers[action.name] = answer
        return await answer

    async def clean_up(self, action: Action) -> bool:
        await asyncio.sleep(self.clean_up_s)
        self.cleaned.append(action.name)
        return self.is_clean

    def answer(self, action: Action, result: Result) -> None:
        self.answers[action.name].set_result(result)


class Floor:
    """Operations on a loop, and what they tell."""

    def __init__(self, loop: VirtualLoop, **widths: int) -> None:
        self.loop = loop
        self.hands = Hands()
        self.ended: list[GroupKey] = []
        self.operations = Operations(
            VirtualClock(loop),
            self.hands,
            spawn=self.spawn,
            ended=self.ended.append,
            widths={"starts": 2, "stops": 2, "rest": 2, **widths},
        )
        self._tasks: set[asyncio.Task[None]] = set()

    def spawn(self, work: Coroutine[None, None, None]) -> object:
        task = self.loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def begin(self, *actions: Action, key: GroupKey = WEB, runtime: str = "docker") -> None:
        for action in actions:
            self.operations.begin(key, runtime, action)
        await self.loop.idle()

    async def end(self, action: Action, result: Result) -> None:
        self.hands.answer(action, result)
        await self.loop.idle()

    def give_up(self) -> None:
        """Whoever attends to the operations is cancelled."""
        for task in self._tasks:
            task.cancel()

    async def over(self) -> None:
        """Everything is given up."""
        await self.operations.drain(0)


@pytest.fixture
def loop() -> VirtualLoop:
    return VirtualLoop()


def test_an_operation_gives_its_outcome_and_wakes_its_group(loop: VirtualLoop) -> None:
    async def main() -> None:
        floor = Floor(loop)
        await floor.begin(inspect(1))
        (flying,) = floor.operations.in_flight(WEB)
        assert flying.begun
        assert flying.action == inspect(1)
        assert floor.operations.outcomes(WEB) == ()
        await asyncio.sleep(2)
        await floor.end(inspect(1), Inspected(None))
        assert floor.operations.in_flight(WEB) == ()
        (outcome,) = floor.operations.outcomes(WEB)
        assert (outcome.id, outcome.action, outcome.result) == (
            flying.id,
            inspect(1),
            Inspected(None),
        )
        assert outcome.since == flying.since
        assert outcome.ended - outcome.since == pytest.approx(2, abs=0.01)
        assert floor.ended == [WEB]

    run(loop, main())


def test_outcomes_stay_until_they_are_forgotten(loop: VirtualLoop) -> None:
    async def main() -> None:
        floor = Floor(loop)
        await floor.begin(stop(1), stop(2))
        await floor.end(stop(2), Removed())
        await floor.end(stop(1), Removed())
        second, first = floor.operations.outcomes(WEB)
        assert (second.action, first.action) == (stop(2), stop(1))
        floor.operations.forget(WEB, [second.id])
        assert floor.operations.outcomes(WEB) == (first,)
        floor.operations.forget(WEB, [first.id])
        assert floor.operations.outcomes(WEB) == ()
        floor.operations.forget(DB, [first.id])

    run(loop, main())


def test_a_lane_takes_no_more_than_its_width(loop: VirtualLoop) -> None:
    async def main() -> None:
        floor = Floor(loop)
        await floor.begin(*map(start, range(5)))
        assert floor.hands.begun == ["n0", "n1"]
        assert [one.begun for one in floor.operations.in_flight(WEB)] == [True, True, *[False] * 3]
        await floor.end(start(0), Removed())
        assert floor.hands.begun == ["n0", "n1", "n2"]
        await floor.over()

    run(loop, main())


def test_lanes_do_not_wait_for_each_other(loop: VirtualLoop) -> None:
    async def main() -> None:
        floor = Floor(loop, stops=1, starts=1, rest=1)
        await floor.begin(stop(1), stop(2), start(3), start(4), inspect(5), inspect(6))
        assert sorted(floor.hands.begun) == ["n1", "n3", "n5"]
        await floor.begin(stop(7), runtime="podman")
        assert floor.hands.begun[-1] == "n7"
        await floor.over()

    run(loop, main())


def test_groups_take_turns_in_a_lane(loop: VirtualLoop) -> None:
    async def main() -> None:
        floor = Floor(loop, starts=1)
        await floor.begin(*map(start, range(4)))
        await floor.begin(start(10), start(11), key=DB)
        for number in (0, 1, 10, 2, 11):
            await floor.end(start(number), Removed())
        assert floor.hands.begun == ["n0", "n1", "n10", "n2", "n11", "n3"]
        await floor.over()

    run(loop, main())


def test_what_hangs_gives_its_place_to_the_next(loop: VirtualLoop) -> None:
    async def main() -> None:
        floor = Floor(loop)
        await floor.begin(start(0), start(1))
        await floor.begin(start(10), start(11), key=DB)
        await asyncio.sleep(PATIENCE_S - 1)
        assert floor.hands.begun == ["n0", "n1"]
        await asyncio.sleep(2)
        await loop.idle()
        assert floor.hands.begun == ["n0", "n1", "n10", "n11"]
        assert len(floor.operations.in_flight(WEB)) == 2, "they are not given up"
        for number in (0, 1, 10, 11):
            await floor.end(start(number), Removed())
        await floor.begin(*map(start, range(20, 25)))
        assert floor.hands.begun[4:] == ["n20", "n21"], "the lane is as wide as it was"
        await floor.over()

    run(loop, main())


def test_one_group_that_hangs_takes_the_places_once_and_not_again(loop: VirtualLoop) -> None:
    async def main() -> None:
        floor = Floor(loop)
        await floor.begin(*map(start, range(24)))
        await floor.begin(start(100), key=DB)
        await asyncio.sleep(PATIENCE_S + 1)
        assert floor.hands.begun == ["n0", "n1", "n100"]
        await floor.end(start(100), Removed())
        await asyncio.sleep(PATIENCE_S * 10)
        assert floor.hands.begun == ["n0", "n1", "n100"], "its own turn comes when one ends"
        await floor.begin(*(start(number) for number in range(101, 104)), key=DB)
        assert floor.hands.begun[3:] == ["n101", "n102"], "the others have the whole lane"
        await floor.end(start(101), Removed())
        await floor.end(start(102), Removed())
        await floor.end(start(0), Removed())
        assert floor.hands.begun[5:] == ["n103", "n2"]
        await floor.over()

    run(loop, main())


def test_a_lane_full_of_long_stops_delays_no_other_for_long(loop: VirtualLoop) -> None:
    async def main() -> None:
        floor = Floor(loop, stops=32)
        await floor.begin(*(stop(number, 600.0) for number in range(40)))
        await floor.begin(stop(100), stop(101), start(102), key=DB)
        assert len(floor.hands.begun) == 33, "thirty-two stops, and the start"
        await asyncio.sleep(PATIENCE_S + 1)
        assert floor.hands.begun[33:] == ["n100", "n101"], "and none of the group that waits"
        await asyncio.sleep(500)
        assert len(floor.operations.in_flight(WEB)) == 40, "none is given up"
        await floor.end(stop(0), Removed())
        assert floor.hands.begun[35:] == ["n32"]
        for number in (*range(1, 40), 100, 101):
            await floor.end(stop(number), Removed())
        await floor.end(start(102), Removed())
        await floor.over()

    run(loop, main())


def test_what_hangs_and_is_given_up_leaves_the_lane_as_it_was(loop: VirtualLoop) -> None:
    async def main() -> None:
        floor = Floor(loop, starts=1)
        floor.hands.clean_up_s = 5.0
        await floor.begin(start(0), start(1))
        await asyncio.sleep(PATIENCE_S + 1)
        (hanging, _) = floor.operations.in_flight(WEB)
        floor.operations.cancel(WEB, hanging.id)
        await asyncio.sleep(6)
        await loop.idle()
        assert floor.hands.begun == ["n0", "n1"]
        await floor.begin(start(2), key=DB)
        assert floor.hands.begun == ["n0", "n1"]
        await floor.end(start(1), Removed())
        assert floor.hands.begun == ["n0", "n1", "n2"]
        floor.hands.clean_up_s = 0.0
        await floor.over()

    run(loop, main())


def test_what_waits_is_given_up_without_being_begun(loop: VirtualLoop) -> None:
    async def main() -> None:
        floor = Floor(loop, starts=1)
        await floor.begin(start(0), start(1), start(2))
        waiting = floor.operations.in_flight(WEB)[1:]
        for operation in waiting:
            floor.operations.cancel(WEB, operation.id)
        outcomes = floor.operations.outcomes(WEB)
        assert [one.id for one in outcomes] == [one.id for one in waiting]
        for outcome in outcomes:
            assert isinstance(outcome.result, StartFailed)
            assert outcome.result.failure.kind is FailureClass.CANCELLED
            assert outcome.result.clean
        await floor.end(start(0), Removed())
        assert floor.hands.begun == ["n0"]
        assert floor.hands.cleaned == []

    run(loop, main())


@pytest.mark.parametrize("is_clean", [True, False])
def test_what_runs_is_given_up_and_cleaned_up_before_its_outcome(
    loop: VirtualLoop, is_clean: bool
) -> None:
    async def main() -> None:
        floor = Floor(loop, starts=1)
        floor.hands.clean_up_s, floor.hands.is_clean = 1.0, is_clean
        await floor.begin(start(0), start(1))
        first = floor.operations.in_flight(WEB)[0]
        floor.operations.cancel(WEB, first.id)
        floor.operations.cancel(WEB, first.id)
        await loop.idle()
        assert floor.operations.outcomes(WEB) == ()
        assert floor.hands.begun == ["n0"]
        await asyncio.sleep(1.1)
        (outcome,) = floor.operations.outcomes(WEB)
        assert isinstance(outcome.result, StartFailed)
        assert outcome.result.clean is is_clean
        assert floor.hands.begun == ["n0", "n1"]
        await floor.over()

    run(loop, main())


def test_a_removal_that_is_given_up_is_a_failed_one(loop: VirtualLoop) -> None:
    async def main() -> None:
        floor = Floor(loop)
        await floor.begin(stop(1))
        floor.operations.cancel(WEB, floor.operations.in_flight(WEB)[0].id)
        await loop.idle()
        (outcome,) = floor.operations.outcomes(WEB)
        assert isinstance(outcome.result, OperationFailed)
        assert outcome.result.failure.kind is FailureClass.CANCELLED

    run(loop, main())


def test_giving_up_what_has_ended_means_nothing(loop: VirtualLoop) -> None:
    async def main() -> None:
        floor = Floor(loop)
        await floor.begin(stop(1))
        operation = floor.operations.in_flight(WEB)[0]
        await floor.end(stop(1), Removed())
        floor.operations.cancel(WEB, operation.id)
        floor.operations.cancel(DB, operation.id)
        assert [one.result for one in floor.operations.outcomes(WEB)] == [Removed()]

    run(loop, main())


@pytest.mark.parametrize("action", [start(0), stop(0)])
def test_a_defect_is_logged_and_ends_as_a_failure(
    loop: VirtualLoop, action: Action, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        floor = Floor(loop)
        await floor.begin(action)
        floor.hands.answers[action.name].set_exception(ZeroDivisionError("by zero"))
        await loop.idle()
        (outcome,) = floor.operations.outcomes(WEB)
        assert isinstance(outcome.result, StartFailed | OperationFailed)
        assert outcome.result.failure.kind is FailureClass.OTHER
        assert "ZeroDivisionError" in outcome.result.failure.message
        if isinstance(outcome.result, StartFailed):
            assert not outcome.result.clean

    with caplog.at_level(logging.ERROR):
        run(loop, main())
    assert "by zero" in caplog.text


def test_a_cleaning_that_fails_ends_the_operation_all_the_same(
    loop: VirtualLoop, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        floor = Floor(loop, starts=1)

        async def broken(action: Action) -> bool:
            raise ZeroDivisionError("by zero")

        floor.hands.clean_up = broken  # type: ignore[method-assign]  # a bug of an adapter
        await floor.begin(start(0), start(1))
        floor.operations.cancel(WEB, floor.operations.in_flight(WEB)[0].id)
        await loop.idle()
        (outcome,) = floor.operations.outcomes(WEB)
        assert isinstance(outcome.result, StartFailed)
        assert not outcome.result.clean
        assert floor.hands.begun == ["n0", "n1"]
        await floor.over()

    with caplog.at_level(logging.ERROR):
        run(loop, main())
    assert "by zero" in caplog.text


def test_who_attends_to_an_operation_takes_it_along_and_begins_no_other(
    loop: VirtualLoop,
) -> None:
    async def main() -> None:
        floor = Floor(loop, starts=1)
        await floor.begin(start(0), start(1))
        floor.give_up()
        await loop.idle()
        assert floor.hands.begun == ["n0"]
        assert floor.hands.answers[start(0).name].cancelled()

    run(loop, main())


def test_a_drain_lets_what_runs_finish_and_gives_up_what_waits(loop: VirtualLoop) -> None:
    async def main() -> None:
        floor = Floor(loop, stops=1)
        await floor.begin(stop(0), stop(1))
        loop.call_later(3, floor.hands.answer, stop(0), Removed())
        began = loop.time()
        await floor.operations.drain(6)
        assert loop.time() - began == pytest.approx(3, abs=0.01)
        results = {one.action.name: one.result for one in floor.operations.outcomes(WEB)}
        assert results[stop(0).name] == Removed()
        assert isinstance(results[stop(1).name], OperationFailed)

    run(loop, main())


def test_a_drain_gives_up_what_takes_too_long_and_waits_for_its_cleaning(
    loop: VirtualLoop,
) -> None:
    async def main() -> None:
        floor = Floor(loop)
        floor.hands.clean_up_s = 1.0
        await floor.begin(start(0))
        began = loop.time()
        await floor.operations.drain(6)
        assert loop.time() - began == pytest.approx(7, abs=0.01)
        assert floor.hands.cleaned == ["n0"]

    run(loop, main())


def test_a_drain_does_not_wait_for_ever_for_a_cleaning(loop: VirtualLoop) -> None:
    async def main() -> None:
        floor = Floor(loop)
        floor.hands.clean_up_s = 60.0
        await floor.begin(start(0))
        began = loop.time()
        await floor.operations.drain(6)
        assert loop.time() - began == pytest.approx(8, abs=0.01)
        await asyncio.sleep(60)

    run(loop, main())


def test_a_drain_of_nothing_is_over_at_once(loop: VirtualLoop) -> None:
    async def main() -> None:
        floor = Floor(loop)
        began = loop.time()
        await floor.operations.drain(6)
        assert loop.time() == began

    run(loop, main())
