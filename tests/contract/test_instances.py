"""From create to remove: what each call promises, and what it promises the second time."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ring.core.model.ids import InstanceId, InstanceName
from ring.core.model.observed import State
from ring.runtimes.base import Gone, NameTaken

if TYPE_CHECKING:
    from ring.runtimes.base import Runtime
    from tests.contract.outside import Outside
    from tests.contract.space import Space

pytestmark = pytest.mark.anyio

NOBODY = InstanceId("f" * 64)


async def test_create_does_not_start(space: Space, runtime: Runtime) -> None:
    order = await space.order()
    created = await runtime.create(order)

    assert created.state is State.CREATED
    assert not created.is_live
    assert (created.name, created.deployment_id, created.server_id) == (
        order.name,
        order.deployment_id,
        order.server_id,
    )
    assert (await runtime.inspect(created.id)).exit is None


async def test_a_name_is_used_once(space: Space, runtime: Runtime) -> None:
    order = await space.order()
    first = await runtime.create(order)

    with pytest.raises(NameTaken):
        await runtime.create(order)

    found = await runtime.find(order.name)
    assert found is not None
    assert found.id == first.id


async def test_a_started_instance_runs_and_has_an_address(space: Space, runtime: Runtime) -> None:
    instance = await space.running()
    seen = await runtime.inspect(instance.id)

    assert seen.state is State.RUNNING
    assert seen.address
    assert seen.exit is None


async def test_starting_what_runs_is_success(space: Space, runtime: Runtime) -> None:
    instance = await space.running()
    await runtime.start(instance.id)
    assert (await runtime.inspect(instance.id)).state is State.RUNNING


@pytest.mark.parametrize("code", [0, 3, 127])
async def test_inspect_tells_how_it_ended(space: Space, outside: Outside, code: int) -> None:
    instance = await space.running()
    await outside.ends(instance.id, code)
    ended = await space.ended(instance.id)

    assert ended.state is State.EXITED
    assert ended.exit is not None
    assert ended.exit.code == code
    assert ended.exit.finished_at is not None
    assert ended.exit.finished_at >= instance.created_at
    assert not ended.exit.oom


async def test_a_stopped_instance_has_ended(space: Space, runtime: Runtime) -> None:
    instance = await space.running()
    await runtime.stop(instance.id, 5.0)

    ended = await runtime.inspect(instance.id)
    assert ended.state is State.EXITED
    assert ended.exit is not None
    assert ended.exit.code == 143


async def test_stopping_again_is_success(space: Space, runtime: Runtime) -> None:
    instance = await space.running()
    await runtime.stop(instance.id, 5.0)
    await runtime.stop(instance.id, 5.0)
    await runtime.remove(instance.id)
    await runtime.stop(instance.id, 5.0)
    assert await runtime.find(instance.name) is None


async def test_stopping_what_never_ran_is_success(space: Space, runtime: Runtime) -> None:
    created = await space.created()
    await runtime.stop(created.id, 5.0)
    assert not (await runtime.inspect(created.id)).is_live


async def test_a_removed_instance_is_gone(space: Space, runtime: Runtime) -> None:
    created = await space.created()
    await runtime.remove(created.id)
    await runtime.remove(created.id)

    assert await runtime.find(created.name) is None
    with pytest.raises(Gone):
        await runtime.inspect(created.id)
    with pytest.raises(Gone):
        await runtime.start(created.id)


async def test_the_name_is_free_after_removal(space: Space, runtime: Runtime) -> None:
    order = await space.order()
    await runtime.remove((await runtime.create(order)).id)
    again = await runtime.create(order)
    assert again.name == order.name


async def test_what_was_never_there_is_gone(space: Space, runtime: Runtime) -> None:
    with pytest.raises(Gone):
        await runtime.inspect(NOBODY)
    with pytest.raises(Gone):
        await runtime.start(NOBODY)
    await runtime.stop(NOBODY, 1.0)
    await runtime.remove(NOBODY)


async def test_find_takes_whole_names_only(space: Space, runtime: Runtime) -> None:
    created = await space.created()
    assert await runtime.find(InstanceName(created.name[:-1])) is None
    assert await runtime.find(InstanceName(created.id[:12])) is None
    found = await runtime.find(created.name)
    assert found is not None
    assert found.id == created.id
