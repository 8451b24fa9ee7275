"""What an instance writes can be read while it lives and afterwards, whole or in part."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

import pytest

from ring.core.model.ids import InstanceId
from ring.core.model.logs import LogLine, LogQuery
from ring.runtimes.base import Gone, Logs, Unavailable
from tests.contract.outside import eventually

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ring.runtimes.base import Runtime
    from tests.contract.outside import Outside
    from tests.contract.space import Space

pytestmark = pytest.mark.anyio

NOBODY = InstanceId("f" * 64)


def logs_of(runtime: Runtime) -> Logs:
    assert isinstance(runtime, Logs)
    return runtime


async def read(runtime: Runtime, instance_id: InstanceId, **query: object) -> list[LogLine]:
    asked = LogQuery(**query)  # type: ignore[arg-type]  # named by the tests
    batches = [batch async for batch in logs_of(runtime).logs(instance_id, asked)]
    return [line for batch in batches for line in batch]


async def holds(runtime: Runtime, instance_id: InstanceId, count: int) -> list[LogLine]:
    """The lines, once the engine has so many: it may write them down a moment later."""

    async def has() -> bool:
        return len(await read(runtime, instance_id)) >= count

    await eventually(has)
    return await read(runtime, instance_id)


def words(lines: Iterable[LogLine]) -> list[str]:
    return [line.message for line in lines]


async def test_two_lines_in_one_write_are_two(space: Space, outside: Outside) -> None:
    instance = await space.running()
    await outside.writes(instance.id, "one\n\n  \ntwo\r\n")

    lines = await holds(outside.runtime, instance.id, 2)
    assert words(lines) == ["one", "two"]
    assert {line.stream for line in lines} == {"stdout"}
    times = [line.at for line in lines if line.at is not None]
    assert len(times) == 2
    # Some engines tell whole seconds.
    assert instance.created_at.replace(microsecond=0) <= times[0] <= times[1]


async def test_both_streams_are_read(space: Space, outside: Outside) -> None:
    instance = await space.running()
    await outside.writes(instance.id, "out\n")
    await holds(outside.runtime, instance.id, 1)
    await outside.writes(instance.id, "err\n", "stderr")

    lines = await holds(outside.runtime, instance.id, 2)
    assert [(line.stream, line.message) for line in lines] == [("stdout", "out"), ("stderr", "err")]


async def test_the_tail(space: Space, outside: Outside) -> None:
    instance = await space.running()
    await outside.writes(instance.id, "one\ntwo\nthree\n")
    await holds(outside.runtime, instance.id, 3)

    for tail, found in ((0, []), (1, ["three"]), (2, ["two", "three"])):
        assert words(await read(outside.runtime, instance.id, tail=tail)) == found
    assert len(await read(outside.runtime, instance.id, tail=999_999_999)) == 3


async def test_since_includes_its_moment(space: Space, outside: Outside) -> None:
    instance = await space.running()
    await outside.writes(instance.id, "one\n")
    await holds(outside.runtime, instance.id, 1)
    await outside.writes(instance.id, "two\n")
    first, second = await holds(outside.runtime, instance.id, 2)

    assert words(await read(outside.runtime, instance.id, since=first.at)) == ["one", "two"]
    # Some engines tell whole seconds.
    late = ["one", "two"] if first.at == second.at else ["two"]
    assert words(await read(outside.runtime, instance.id, since=second.at)) == late


async def test_following_shows_what_comes_and_ends_with_the_instance(
    space: Space, outside: Outside
) -> None:
    instance = await space.running()
    await outside.writes(instance.id, "one\n")
    await holds(outside.runtime, instance.id, 1)

    async with asyncio.timeout(20):
        follow = logs_of(outside.runtime).logs(instance.id, LogQuery(follow=True))
        async with contextlib.aclosing(follow) as lines:
            assert words(await anext(lines)) == ["one"]
            await outside.writes(instance.id, "two\n")
            assert words(await anext(lines)) == ["two"]
            await outside.ends(instance.id, 0)
            assert [line async for line in lines] == []


async def test_a_reader_that_leaves_is_let_go(space: Space, outside: Outside) -> None:
    instance = await space.running()
    await outside.writes(instance.id, "one\n")
    await holds(outside.runtime, instance.id, 1)

    async with asyncio.timeout(5):
        lines = logs_of(outside.runtime).logs(instance.id, LogQuery(follow=True))
        assert words(await anext(lines)) == ["one"]
        waiting = asyncio.ensure_future(anext(lines))
        await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.wait({waiting})
        await lines.aclose()
    assert waiting.cancelled()


async def test_what_has_ended_can_be_read(space: Space, outside: Outside) -> None:
    instance = await space.running()
    await outside.writes(instance.id, "last words\n")
    await holds(outside.runtime, instance.id, 1)
    await outside.ends(instance.id, 3)
    await space.ended(instance.id)

    assert words(await read(outside.runtime, instance.id)) == ["last words"]
    assert words(await read(outside.runtime, instance.id, follow=True)) == ["last words"]


async def test_what_never_ran_has_written_nothing(space: Space, outside: Outside) -> None:
    created = await space.created()
    assert await read(outside.runtime, created.id) == []


async def test_what_is_gone(space: Space, outside: Outside) -> None:
    created = await space.created()
    await outside.runtime.remove(created.id)
    for instance_id in (created.id, NOBODY):
        with pytest.raises(Gone):
            await read(outside.runtime, instance_id)


async def test_what_goes_while_it_is_read_has_no_lines_of_the_engine(
    space: Space, outside: Outside
) -> None:
    instance = await space.running()
    await outside.writes(instance.id, "last words\n")
    await holds(outside.runtime, instance.id, 1)
    await outside.ends(instance.id, 3)
    await space.ended(instance.id)
    found: set[str] = set()

    async def read_on() -> None:
        with contextlib.suppress(Gone):
            while True:
                found.update(words(await read(outside.runtime, instance.id)))

    async with asyncio.timeout(30), asyncio.TaskGroup() as group:
        for _ in range(4):
            group.create_task(read_on())
        await outside.runtime.remove(instance.id)
    assert found <= {"last words"}


async def test_an_engine_that_is_not_there(outside: Outside) -> None:
    away = outside.away()
    with pytest.raises(Unavailable):
        await read(away, NOBODY)
    await away.close()
