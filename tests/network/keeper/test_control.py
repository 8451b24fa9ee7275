"""Requests of several clients, some of which take long."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest

from ring.network.keeper.control import Control
from ring.network.keeper.link import connect

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Mapping
    from pathlib import Path

    from ring.network.keeper.link import Link

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


class Actions:
    """What is done, and one thing that takes as long as a test wants."""

    def __init__(self) -> None:
        self.done: list[object] = []
        self.begun = asyncio.Event()
        self.go_on = asyncio.Event()

    async def slow(self, request: Mapping[str, object]) -> None:
        self.begun.set()
        await self.go_on.wait()
        self.done.append(request["by"])

    async def quick(self, request: Mapping[str, object]) -> None:
        self.done.append(request["by"])


@asynccontextmanager
async def asked(directory: Path, actions: Actions) -> AsyncGenerator[tuple[Control, Link, Link]]:
    """A control and two clients of it."""
    control = Control({"slow": actions.slow, "quick": actions.quick})
    await control.open(directory)
    first, second = await connect(directory), await connect(directory)
    assert first is not None
    assert second is not None
    async with asyncio.TaskGroup() as group:
        for link in (first, second):
            group.create_task(link.follow())
        try:
            yield control, first, second
        finally:
            control.close(directory)


async def turns(count: int = 20) -> None:
    """Enough for a request to come in."""
    for _ in range(count):
        await asyncio.sleep(0)


async def test_requests_are_done_one_at_a_time(tmp_path: Path) -> None:
    actions = Actions()
    async with asked(tmp_path, actions) as (_, first, second):
        slow = asyncio.create_task(first.ask({"do": "slow", "by": 1}))
        await actions.begun.wait()
        quick = asyncio.create_task(second.ask({"do": "quick", "by": 2}))
        await turns()
        assert actions.done == []
        actions.go_on.set()
        await asyncio.gather(slow, quick)
    assert actions.done == [1, 2]


async def test_what_waits_for_its_turn_when_it_closes_is_not_done(tmp_path: Path) -> None:
    actions = Actions()
    async with asked(tmp_path, actions) as (control, first, second):
        slow = asyncio.create_task(first.ask({"do": "slow", "by": 1}))
        await actions.begun.wait()

        async def close() -> None:
            async with control.turn:
                control.close(tmp_path)

        closing = asyncio.create_task(close())
        await turns(1)
        quick = asyncio.create_task(second.ask({"do": "quick", "by": 2}))
        await turns()
        actions.go_on.set()
        await closing
        assert "problem" not in await slow
        with pytest.raises(ConnectionError):
            await quick
    assert actions.done == [1]
