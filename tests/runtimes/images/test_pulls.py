from __future__ import annotations

import asyncio

import pytest

from ring.runtimes.images.pulls import MOST_AT_ONCE, MOST_OF_ONE, SharedPulls

pytestmark = pytest.mark.anyio


class Pull:
    """A pull that ends when it is told to."""

    def __init__(self) -> None:
        self.begun = 0
        self.cancelled = False
        self.end: asyncio.Future[bool] = asyncio.get_running_loop().create_future()

    async def __call__(self) -> bool:
        self.begun += 1
        try:
            return await self.end
        except asyncio.CancelledError:
            self.cancelled = True
            raise


async def turns(count: int = 5) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


async def test_waiters_share_one_pull() -> None:
    pulls, pull = SharedPulls[bool](), Pull()
    async with asyncio.TaskGroup() as group:
        for _ in range(3):
            group.create_task(pulls.join("a", "reg.example", pull))
        await turns()
        pull.end.set_result(True)
    assert pull.begun == 1


async def test_a_cancelled_waiter_leaves_it_to_the_others() -> None:
    pulls, pull = SharedPulls[bool](), Pull()
    first = asyncio.create_task(pulls.join("a", "reg.example", pull))
    second = asyncio.create_task(pulls.join("a", "reg.example", pull))
    await turns()
    first.cancel()
    await turns()
    assert not pull.cancelled

    pull.end.set_result(True)
    await second
    assert first.cancelled()


async def test_a_pull_that_nobody_waits_for_is_cancelled() -> None:
    pulls, pull = SharedPulls[bool](), Pull()
    waiter = asyncio.create_task(pulls.join("a", "reg.example", pull))
    await turns()
    waiter.cancel()
    await turns()
    assert pull.cancelled

    again = Pull()
    again.end.set_result(True)
    await pulls.join("a", "reg.example", again)
    assert again.begun == 1


async def test_every_waiter_gets_the_error() -> None:
    pulls, pull = SharedPulls[bool](), Pull()
    waiters = [asyncio.create_task(pulls.join("a", "reg.example", pull)) for _ in range(2)]
    await turns()
    pull.end.set_exception(ValueError("refused"))
    results = await asyncio.gather(*waiters, return_exceptions=True)
    assert [str(result) for result in results] == ["refused", "refused"]


async def test_pulls_of_different_images_are_apart() -> None:
    pulls, one, other = SharedPulls[bool](), Pull(), Pull()
    async with asyncio.TaskGroup() as group:
        group.create_task(pulls.join("a", "reg.example", one))
        group.create_task(pulls.join("b", "reg.example", other))
        await turns()
        one.end.set_result(True)
        other.end.set_result(True)
    assert (one.begun, other.begun) == (1, 1)


async def test_a_few_run_at_once_and_the_others_wait_for_a_place() -> None:
    pulls, several = SharedPulls[bool](), [Pull() for _ in range(MOST_AT_ONCE + 2)]
    waiters = [
        asyncio.create_task(pulls.join(str(at), f"reg-{at}.example", pull))
        for at, pull in enumerate(several)
    ]
    await turns()
    assert [pull.begun for pull in several] == [1] * MOST_AT_ONCE + [0, 0]

    several[0].end.set_result(True)
    waiters[1].cancel()
    await turns()
    assert [pull.begun for pull in several] == [1] * len(several)
    await pulls.close()
    await asyncio.gather(*waiters, return_exceptions=True)


async def test_one_registry_leaves_a_place_to_the_others() -> None:
    pulls, slow = SharedPulls[bool](), [Pull() for _ in range(MOST_AT_ONCE + 1)]
    others = [Pull(), Pull()]
    waiters = [
        asyncio.create_task(pulls.join(f"slow-{at}", "slow.example", pull))
        for at, pull in enumerate(slow)
    ]
    await turns()
    assert sum(pull.begun for pull in slow) == MOST_OF_ONE
    waiters += [
        asyncio.create_task(pulls.join(f"other-{at}", f"reg-{at}.example", pull))
        for at, pull in enumerate(others)
    ]
    await turns()
    assert [pull.begun for pull in others] == [1, 0]

    others[0].end.set_result(True)
    await turns()
    assert [pull.begun for pull in others] == [1, 1]
    slow[0].end.set_result(True)
    await turns()
    assert sum(pull.begun for pull in slow) == MOST_OF_ONE + 1
    await pulls.close()
    await asyncio.gather(*waiters, return_exceptions=True)


async def test_what_asks_no_registry_has_every_place() -> None:
    pulls, several = SharedPulls[bool](), [Pull() for _ in range(MOST_AT_ONCE + 1)]
    waiters = [
        asyncio.create_task(pulls.join(str(at), None, pull)) for at, pull in enumerate(several)
    ]
    await turns()
    assert sum(pull.begun for pull in several) == MOST_AT_ONCE
    await pulls.close()
    await asyncio.gather(*waiters, return_exceptions=True)


async def test_one_that_waits_for_a_place_is_shared_and_given_up() -> None:
    pulls, several = SharedPulls[bool](), [Pull() for _ in range(MOST_AT_ONCE + 1)]
    running = [
        asyncio.create_task(pulls.join(str(at), f"reg-{at}.example", each))
        for at, each in enumerate(several[:-1])
    ]
    await turns()
    waiting = [
        asyncio.create_task(pulls.join("last", "reg.example", several[-1])) for _ in range(2)
    ]
    await turns()
    for waiter in waiting:
        waiter.cancel()
    await turns()
    several[0].end.set_result(True)
    await turns()
    assert several[-1].begun == 0
    await pulls.close()
    await asyncio.gather(*running, *waiting, return_exceptions=True)


async def test_closing_ends_what_is_in_flight() -> None:
    pulls, pull = SharedPulls[bool](), Pull()
    waiter = asyncio.create_task(pulls.join("a", "reg.example", pull))
    await turns()
    await pulls.close()
    assert pull.cancelled
    with pytest.raises(asyncio.CancelledError):
        await waiter
