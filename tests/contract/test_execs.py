"""A runtime runs commands inside its instances, and leaves none behind."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from ring.core.model.ids import InstanceId
from ring.runtimes.base import KEPT_OUTPUT_BYTES, Execs, Gone, RuntimeFailure, Unavailable
from tests.contract.outside import eventually

if TYPE_CHECKING:
    from ring.runtimes.base import Runtime
    from tests.contract.outside import Outside
    from tests.contract.space import Space

pytestmark = pytest.mark.anyio

NOBODY = InstanceId("f" * 64)
LIMIT_S = 30.0


def execs_of(runtime: Runtime) -> Execs:
    assert isinstance(runtime, Execs)
    assert runtime.capabilities().exec
    return runtime


async def running(outside: Outside, instance_id: InstanceId) -> None:
    """Until an endless command has begun everything."""

    async def is_there() -> bool:
        return await outside.commands(instance_id) == outside.endless_processes

    await eventually(is_there)


@pytest.mark.parametrize("code", [0, 3, 255])
async def test_a_command_ends_with_its_code(space: Space, outside: Outside, code: int) -> None:
    instance = await space.running()
    argv = outside.command(code, "well\n")
    executed = await execs_of(space.runtime).exec(instance.id, argv, LIMIT_S)
    assert (executed.code, executed.output) == (code, "well\n")


async def test_of_a_long_output_the_end_is_kept(space: Space, outside: Outside) -> None:
    instance = await space.running()
    argv = outside.command(1, "é" * 5000 + "the end")
    executed = await execs_of(space.runtime).exec(instance.id, argv, LIMIT_S)
    assert executed.output.endswith("éééthe end")
    assert KEPT_OUTPUT_BYTES - 2 <= len(executed.output.encode()) <= KEPT_OUTPUT_BYTES


async def test_what_cannot_be_run_is_told_by_a_code(space: Space, outside: Outside) -> None:
    instance = await space.running()
    executed = await execs_of(space.runtime).exec(instance.id, outside.missing, LIMIT_S)
    assert executed.code in {126, 127}


async def test_a_command_that_takes_too_long_is_ended(space: Space, outside: Outside) -> None:
    instance = await space.running()
    loop = asyncio.get_running_loop()
    begun = loop.time()
    with pytest.raises(TimeoutError):
        await execs_of(space.runtime).exec(instance.id, outside.endless, 0.5)
    # An engine that is busy takes its time to say that it has ended; by itself it would not.
    assert 0.4 < loop.time() - begun < LIMIT_S
    assert await outside.commands(instance.id) == 0


async def test_a_command_whose_caller_gives_up_is_ended(space: Space, outside: Outside) -> None:
    instance = await space.running()
    command = execs_of(space.runtime).exec(instance.id, outside.endless, LIMIT_S)
    task = asyncio.ensure_future(command)
    await running(outside, instance.id)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await outside.commands(instance.id) == 0


async def test_the_environment_is_what_it_was_made_with(space: Space) -> None:
    instance = await space.running(await space.order(environment={"A": "1", "B": "x=y\nz"}))
    environment = await execs_of(space.runtime).environment(instance.id)
    assert (environment["A"], environment["B"]) == ("1", "x=y\nz")
    with pytest.raises(Gone):
        await execs_of(space.runtime).environment(NOBODY)


async def test_only_in_what_runs(space: Space, outside: Outside) -> None:
    execs = execs_of(space.runtime)
    created = await space.created()
    with pytest.raises(RuntimeFailure):
        await execs.exec(created.id, outside.endless, LIMIT_S)
    await space.runtime.remove(created.id)
    with pytest.raises(Gone):
        await execs.exec(created.id, outside.endless, LIMIT_S)
    with pytest.raises(Gone):
        await execs.exec(NOBODY, outside.endless, LIMIT_S)


async def test_a_paused_instance_runs_none(space: Space, outside: Outside) -> None:
    instance = await space.running()
    await outside.pauses(instance.id)
    with pytest.raises(RuntimeFailure):
        await execs_of(space.runtime).exec(instance.id, outside.endless, LIMIT_S)
    await outside.unpauses(instance.id)


async def test_the_end_of_the_instance_ends_its_commands(space: Space, outside: Outside) -> None:
    instance = await space.running()
    command = execs_of(space.runtime).exec(instance.id, outside.endless, LIMIT_S)
    task = asyncio.ensure_future(command)
    await running(outside, instance.id)
    await space.runtime.stop(instance.id, 0)
    async with asyncio.timeout(10):
        (result,) = await asyncio.gather(task, return_exceptions=True)
    assert isinstance(result, Gone | RuntimeFailure) or getattr(result, "code", 0) != 0


async def test_an_engine_that_is_away(outside: Outside) -> None:
    runtime = outside.away()
    try:
        with pytest.raises(Unavailable):
            await execs_of(runtime).exec(NOBODY, outside.endless, LIMIT_S)
    finally:
        await runtime.close()
