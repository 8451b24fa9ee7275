"""What has begun ends before anybody goes on."""

from __future__ import annotations

import asyncio

import pytest

from ring.runtimes.containerd.together import all_of, to_the_end

pytestmark = pytest.mark.anyio


class _Work:
    """Goes on until it is told to end."""

    def __init__(self) -> None:
        self.begun = asyncio.Event()
        self.told = asyncio.Event()
        self.has_ended = False

    async def run(self) -> None:
        self.begun.set()
        try:
            await self.told.wait()
        finally:
            await asyncio.sleep(0)
            self.has_ended = True


async def _fail(error: Exception) -> None:
    raise error


async def test_they_go_on_at_the_same_time() -> None:
    one, other = _Work(), _Work()
    both = asyncio.create_task(all_of(one.run(), other.run()))
    await one.begun.wait()
    await other.begun.wait()
    one.told.set()
    other.told.set()
    await both


async def test_a_failure_waits_for_the_others() -> None:
    work = _Work()
    both = asyncio.create_task(all_of(_fail(LookupError("first")), work.run()))
    await work.begun.wait()
    assert not both.done()
    work.told.set()
    with pytest.raises(LookupError, match="first"):
        await both
    assert work.has_ended


async def test_of_several_failures_the_first_work_tells() -> None:
    with pytest.raises(LookupError, match="one"):
        await all_of(_fail(LookupError("one")), _fail(OSError("other")))


async def test_when_it_is_cancelled_all_have_ended() -> None:
    one, other = _Work(), _Work()
    both = asyncio.create_task(all_of(one.run(), other.run()))
    await one.begun.wait()
    await other.begun.wait()
    both.cancel()
    with pytest.raises(asyncio.CancelledError):
        await both
    assert one.has_ended
    assert other.has_ended


async def test_whoever_gives_up_waits_for_what_he_has_begun() -> None:
    begun, may_end = asyncio.Event(), asyncio.Event()
    ended = []

    async def work() -> int:
        begun.set()
        await may_end.wait()
        ended.append(True)
        return 3

    waiting = asyncio.create_task(to_the_end(work()))
    await begun.wait()
    waiting.cancel()
    await asyncio.sleep(0)
    assert not waiting.done()
    may_end.set()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert ended


async def test_what_does_not_end_is_given_up_as_well() -> None:
    work = _Work()
    waiting = asyncio.create_task(to_the_end(work.run(), patience_s=0.01))
    await work.begun.wait()
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert work.has_ended


async def test_otherwise_it_is_as_if_it_were_waited_for_alone() -> None:
    async def works() -> int:
        return 3

    async def fails() -> int:
        raise ValueError("no")

    assert await to_the_end(works()) == 3
    with pytest.raises(ValueError, match="no"):
        await to_the_end(fails())
