"""Which group's pass is next, and when."""

from __future__ import annotations

import asyncio

from ring.core.model.ids import GroupKey
from ring.engine.wakeups import Wakeups
from tests.virtual_time import VirtualClock, VirtualLoop, run

A, B, C = (GroupKey("media", name) for name in "abc")


def test_groups_come_in_the_order_in_which_they_were_woken() -> None:
    loop = VirtualLoop()

    async def main() -> list[GroupKey]:
        wakeups = Wakeups(VirtualClock(loop))
        for key in (B, A, C):
            wakeups.wake(key)
        return [await wakeups.next() for _ in range(3)]

    assert run(loop, main()) == [B, A, C]


def test_a_group_that_is_woken_twice_stands_in_line_once() -> None:
    loop = VirtualLoop()

    async def main() -> list[GroupKey]:
        wakeups = Wakeups(VirtualClock(loop))
        for key in (A, B, A, A):
            wakeups.wake(key)
        first = [await wakeups.next() for _ in range(2)]
        wakeups.wake(A)
        return [*first, await wakeups.next()]

    assert run(loop, main()) == [A, B, A]


def test_who_waits_is_told_as_soon_as_there_is_one() -> None:
    loop = VirtualLoop()

    async def main() -> tuple[GroupKey, float]:
        wakeups = Wakeups(VirtualClock(loop))
        loop.call_later(3, wakeups.wake, A)
        before = loop.time()
        return await wakeups.next(), loop.time() - before

    key, waited = run(loop, main())
    assert key == A
    assert 3 <= waited < 3.01


def test_a_timer_wakes_at_its_time() -> None:
    loop = VirtualLoop()

    async def main() -> list[tuple[GroupKey, float]]:
        clock = VirtualClock(loop)
        wakeups = Wakeups(clock)
        began = clock.mono()
        wakeups.wake_at(A, began + 5)
        wakeups.wake_at(B, began + 2)
        return [(await wakeups.next(), round(clock.mono() - began, 3)) for _ in range(2)]

    assert run(loop, main()) == [(B, 2.0), (A, 5.0)]


def test_the_earliest_of_several_times_counts_and_the_group_comes_once() -> None:
    loop = VirtualLoop()

    async def main() -> tuple[list[tuple[GroupKey, float]], bool]:
        clock = VirtualClock(loop)
        wakeups = Wakeups(clock)
        began = clock.mono()
        for seconds in (5, 2, 7):
            wakeups.wake_at(A, began + seconds)
        first = (await wakeups.next(), round(clock.mono() - began, 3))
        try:
            async with asyncio.timeout(60):
                await wakeups.next()
        except TimeoutError:
            return [first], True
        return [first], False

    assert run(loop, main()) == ([(A, 2.0)], True)


def test_a_time_that_has_passed_is_now() -> None:
    loop = VirtualLoop()

    async def main() -> tuple[GroupKey, float]:
        clock = VirtualClock(loop)
        wakeups = Wakeups(clock)
        began = clock.mono()
        wakeups.wake_at(A, began - 1)
        return await wakeups.next(), clock.mono() - began

    key, waited = run(loop, main())
    assert key == A
    assert waited < 0.01


def test_a_timer_can_be_set_again_after_it_went_off() -> None:
    loop = VirtualLoop()

    async def main() -> float:
        clock = VirtualClock(loop)
        wakeups = Wakeups(clock)
        began = clock.mono()
        wakeups.wake_at(A, began + 1)
        await wakeups.next()
        wakeups.wake_at(A, began + 3)
        await wakeups.next()
        return round(clock.mono() - began, 3)

    assert run(loop, main()) == 3.0
