"""Lives of instances, from their creation to their removal: a kind each."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from ring.core.model.spec import Port, Volume
from ring.runtimes.base import File, RuntimeFailure

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from tests.contract.space import Space

    Life = Callable[[Space, int], Awaitable[None]]

FIRST_PORT = 20000


async def served(space: Space, number: int) -> None:
    """With a published port, a file, a command run in it; asked to end, started again, removed."""
    order = await space.order(
        ports=(Port(published=FIRST_PORT + number, target=80),),
        files=(File("/etc/told", b"a file", None),),
    )
    instance = await space.running(order)
    told = await space.runtime.exec(instance.id, ("cat", "/etc/told"), 20.0)  # type: ignore[attr-defined]  # of Execs
    assert told.code == 0, told
    await space.runtime.stop(instance.id, 2.0)
    await space.runtime.start(instance.id)
    await space.runtime.stop(instance.id, 0.0)
    await space.runtime.remove(instance.id)


async def ended(space: Space, _: int) -> None:
    """A job: it writes, and ends by itself."""
    order = await space.order("job", command=("sh", "-c", "echo out; echo err >&2; exit 3"))
    instance = await space.running(order)
    await space.ended(instance.id)
    await space.runtime.remove(instance.id)


async def removed(space: Space, _: int) -> None:
    """Removed while it runs."""
    instance = await space.running(await space.order("loop", command=("sleep", "1000")))
    await space.runtime.remove(instance.id)


async def never_started(space: Space, _: int) -> None:
    instance = await space.created()
    await space.runtime.remove(instance.id)


async def rejected(space: Space, _: int) -> None:
    """Its start fails."""
    order = await space.order("bad", command=("/no/such/command",))
    instance = await space.runtime.create(order)
    with pytest.raises(RuntimeFailure, match="no/such/command"):
        await space.runtime.start(instance.id)
    await space.runtime.remove(instance.id)


async def refused(space: Space, _: int) -> None:
    """Its creation fails, halfway."""
    volume = Volume(type="bind", source="/no/such/folder", destination="/data")
    order = await space.order("worse", volumes=(volume,))
    with pytest.raises(RuntimeFailure, match="/no/such/folder"):
        await space.runtime.create(order)


LIVES: Sequence[Life] = (served, ended, removed, never_started, rejected, refused)


async def lived(space: Space, count: int, at_once: int) -> None:
    """So many lives, of every kind in turn, a few at once."""
    turns = asyncio.Semaphore(at_once)

    async def one(number: int) -> None:
        async with turns:
            await LIVES[number % len(LIVES)](space, number)

    async with asyncio.TaskGroup() as group:
        for number in range(count):
            group.create_task(one(number))
