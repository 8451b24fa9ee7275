"""What ends a command in a real container, and what it leaves alone."""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING

import pytest

from ring.runtimes.base import Execs
from ring.runtimes.docker.connection import Connection, parse_host
from ring.runtimes.docker.execs import Commands
from tests.contract.outside import eventually

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from ring.core.model.ids import InstanceId
    from tests.contract.engines import EngineOutside
    from tests.contract.outside import DockerOutside
    from tests.contract.space import Space

AT_ONCE = 4
ROUNDS = 5

pytestmark = [pytest.mark.anyio, pytest.mark.engine]


@pytest.fixture
async def connection(served: DockerOutside) -> AsyncIterator[Connection]:
    one = Connection(parse_host(served.host))
    yield one
    await one.close()


async def until_begun(engine: EngineOutside, instance_id: InstanceId, wanted: int) -> None:
    async def has_begun() -> bool:
        return await engine.commands(instance_id) == wanted

    await eventually(has_begun, 30)


async def test_commands_of_others_go_on(engine_space: Space, engine: EngineOutside) -> None:
    instance = await engine_space.running()
    execs = engine.runtime
    assert isinstance(execs, Execs)
    other = asyncio.ensure_future(execs.exec(instance.id, engine.endless, 60))
    await until_begun(engine, instance.id, engine.endless_processes)

    with pytest.raises(TimeoutError):
        await execs.exec(instance.id, engine.endless, 0.5)

    assert await engine.commands(instance.id) == engine.endless_processes
    assert not other.done()
    other.cancel()
    await asyncio.wait((other,))
    assert await engine.commands(instance.id) == 0


async def test_where_the_processes_are_not_to_be_seen(
    served_space: Space, served: DockerOutside, connection: Connection
) -> None:
    """As with an engine on another machine: then a shell in the container ends them."""
    instance = await served_space.running()
    commands = Commands(connection, served.dialect, is_here=False)
    other = asyncio.ensure_future(commands.run(instance.id, ("sleep", "1009"), 60))
    await until_begun(served, instance.id, 1)

    with pytest.raises(TimeoutError):
        await commands.run(instance.id, ("sh", "-c", "sleep 1001 & sleep 1002"), 0.5)

    assert await served.commands(instance.id) == 1
    other.cancel()
    await asyncio.wait((other,))
    assert await served.commands(instance.id) == 0


async def test_nothing_is_left_open(engine_space: Space, engine: EngineOutside) -> None:
    instance = await engine_space.running()
    execs = engine.runtime
    assert isinstance(execs, Execs)

    async def some(count: int) -> None:
        for _ in range(count):
            assert (await execs.exec(instance.id, ("true",), 60)).code == 0
            with pytest.raises(TimeoutError):
                await execs.exec(instance.id, ("sleep", "1001"), 0.05)

    def open_files() -> int:
        return len(os.listdir("/proc/self/fd"))  # noqa: PTH208 - no objects

    await some(1)
    before = open_files()
    await asyncio.gather(
        *(some(5) for _ in range(int(os.environ.get("RING_TEST_EXECS", "20")) // 10))
    )

    async def nothing_is_open() -> bool:
        return open_files() <= before

    async def nothing_is_left() -> bool:
        return await engine.commands(instance.id) == 0

    await eventually(nothing_is_open, 30.0)  # before this test opens anything by asking the engine
    await eventually(nothing_is_left, 60.0)  # an engine may begin one long after it was asked
