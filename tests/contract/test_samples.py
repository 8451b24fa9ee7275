"""A runtime tells which process of this machine an instance is, for as long as it runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ring.core.model.ids import InstanceId
from ring.runtimes.base import Gone, Samples, Unavailable

if TYPE_CHECKING:
    from ring.runtimes.base import Runtime
    from tests.contract.outside import Outside
    from tests.contract.space import Space

pytestmark = pytest.mark.anyio

NOBODY = InstanceId("f" * 64)


def samples_of(runtime: Runtime) -> Samples:
    assert isinstance(runtime, Samples)
    assert runtime.capabilities().cpu_stats
    return runtime


async def test_every_running_instance_is_a_process_of_its_own(space: Space) -> None:
    one, other = await space.running(), await space.running()
    samples = samples_of(space.runtime)

    first, second = await samples.process(one.id), await samples.process(other.id)

    assert first is not None
    assert second is not None
    assert first.pid > 1
    assert first.pid != second.pid
    assert first.restarts == second.restarts == 0
    assert await samples.process(one.id) == first


async def test_what_does_not_run_is_no_process(space: Space) -> None:
    samples = samples_of(space.runtime)
    created = await space.created()
    assert await samples.process(created.id) is None

    await space.runtime.start(created.id)
    assert await samples.process(created.id) is not None

    await space.runtime.stop(created.id, 0)
    await space.ended(created.id)
    assert await samples.process(created.id) is None


async def test_started_again_it_is_another_process(space: Space, outside: Outside) -> None:
    samples = samples_of(space.runtime)
    instance = await space.running()
    before = await samples.process(instance.id)
    await outside.ends(instance.id, 0)
    await space.ended(instance.id)

    await space.runtime.start(instance.id)

    after = await samples.process(instance.id)
    assert before is not None
    assert after is not None
    assert after.pid != before.pid


async def test_no_such_instance(space: Space) -> None:
    with pytest.raises(Gone):
        await samples_of(space.runtime).process(NOBODY)


async def test_an_engine_that_is_away(outside: Outside) -> None:
    runtime = outside.away()
    try:
        with pytest.raises(Unavailable):
            await samples_of(runtime).process(NOBODY)
    finally:
        await runtime.close()
