from __future__ import annotations

import asyncio
import threading

import pytest

from ring.runtimes.containerd import hanging

pytestmark = pytest.mark.anyio


async def test_what_comes_of_it_is_given_and_raised() -> None:
    ended: list[bool] = []
    name = await hanging.apart(lambda: threading.current_thread().name, "apart", lambda: None)
    assert name == "apart"
    with pytest.raises(OSError, match="gone"):
        await hanging.apart(_failing, "apart", lambda: ended.append(True))
    assert ended == [True]


async def test_who_gives_up_does_not_wait_and_is_told_of_the_end() -> None:
    held, ended, threads = threading.Event(), asyncio.Event(), list[threading.Thread]()

    def work() -> None:
        threads.append(threading.current_thread())
        held.wait()

    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await hanging.apart(work, "apart", ended.set)
    assert not ended.is_set()
    assert threads[0].daemon
    held.set()
    await ended.wait()


async def test_where_no_thread_can_be_had_it_is_over(monkeypatch: pytest.MonkeyPatch) -> None:
    def start(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    ended = asyncio.Event()
    monkeypatch.setattr(threading.Thread, "start", start)
    with pytest.raises(RuntimeError, match="start new thread"):
        await hanging.apart(_failing, "apart", ended.set)
    assert ended.is_set()


def test_after_the_end_of_the_loop_nobody_is_told() -> None:
    held, threads = threading.Event(), list[threading.Thread]()

    def work() -> None:
        threads.append(threading.current_thread())
        held.wait()

    async def give_up() -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await hanging.apart(work, "apart")

    asyncio.run(give_up())
    held.set()
    threads[0].join()


def _failing() -> None:
    raise OSError("gone")
