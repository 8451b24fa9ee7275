"""What people do to an instance behind Ring's back is told, and what can be mended is."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

import pytest

from ring.core.model.ids import InstanceName
from ring.core.model.observed import State
from ring.runtimes.base import CameUp, Detached, Gone, Paused
from tests.contract.outside import eventually

if TYPE_CHECKING:
    from datetime import datetime

    from ring.core.model.ids import InstanceId
    from ring.core.model.observed import Instance
    from ring.runtimes.base import Runtime
    from tests.contract.outside import Outside
    from tests.contract.space import Space

pytestmark = pytest.mark.anyio

NO_SUCH = "0" * 64


async def listed(runtime: Runtime, instance_id: InstanceId) -> Instance:
    (found,) = [one for one in await runtime.list() if one.id == instance_id]
    return found


async def detached(runtime: Runtime, since: datetime, instance_id: InstanceId) -> None:
    """Returns once the stream has told it."""
    async with asyncio.timeout(10):
        stream = runtime.events(since)
        async with contextlib.AsyncExitStack() as stack:
            stack.push_async_callback(stream.aclose)  # type: ignore[attr-defined]  # a generator
            async for event in stream:
                if isinstance(event, Detached) and event.instance_id == instance_id:
                    return


async def test_a_pause_is_told_and_ends(space: Space, outside: Outside, runtime: Runtime) -> None:
    instance = await space.running()
    await outside.pauses(instance.id)
    told = await space.told(instance.created_at, Paused)
    assert [type(event) for event in told] == [CameUp, Paused]
    paused = await listed(runtime, instance.id)
    assert paused.state is State.PAUSED
    assert paused.is_live
    await outside.unpauses(instance.id)
    paused_at = told[-1]
    assert isinstance(paused_at, Paused)
    assert isinstance((await space.told(paused_at.at, CameUp))[-1], CameUp)
    assert (await listed(runtime, instance.id)).state is State.RUNNING


async def test_a_paused_instance_can_be_stopped_and_removed(
    space: Space, outside: Outside, runtime: Runtime
) -> None:
    instance = await space.running()
    await outside.pauses(instance.id)
    await runtime.stop(instance.id, 1.0)
    await runtime.remove(instance.id)
    assert await runtime.find(instance.name) is None


async def test_a_renamed_instance_is_the_same_one_under_another_name(
    space: Space, outside: Outside, runtime: Runtime
) -> None:
    if not outside.renames_instances:
        pytest.skip("an instance's id is its name there, and for ever")
    instance = await space.running()
    name = InstanceName(f"{instance.name}-renamed")
    await outside.renames(instance.id, name)
    assert await runtime.find(instance.name) is None
    found = await runtime.find(name)
    assert found is not None
    assert (found.id, found.deployment_id) == (instance.id, instance.deployment_id)
    assert found.made_as == instance.name
    assert (await listed(runtime, instance.id)).name == name


async def test_every_look_tells_a_copy_from_what_it_was_made_of(
    space: Space, outside: Outside, runtime: Runtime
) -> None:
    """It has all labels: but only the original has, or had, the name that they tell."""
    original = await space.running()
    name = space.fresh_name()
    copy = await outside.copies(original.id, name)
    for seen in (await listed(runtime, copy), await runtime.inspect(copy)):
        assert (seen.name, seen.made_as, seen.has_other_name) == (name, original.name, True)
        assert (seen.deployment_id, seen.server_id) == (original.deployment_id, original.server_id)
        assert seen.is_live
    for seen in (await listed(runtime, original.id), await runtime.inspect(original.id)):
        assert (seen.made_as, seen.has_other_name) == (original.name, False)


@pytest.mark.parametrize("whole", [False, True], ids=["one instance", "the network"])
async def test_an_instance_without_its_network_is_told_and_connected_again(
    space: Space, outside: Outside, runtime: Runtime, *, whole: bool
) -> None:
    instance = await space.running()
    assert (await listed(runtime, instance.id)).is_attached
    if whole:
        await outside.removes_network(space.namespace)
    else:
        await outside.detaches(instance.id, space.namespace)
    await detached(runtime, instance.created_at, instance.id)
    seen = await listed(runtime, instance.id)
    assert seen.is_live
    assert (seen.is_attached, seen.address) == (False, None)
    assert not (await runtime.inspect(instance.id)).is_attached
    for _ in range(2):  # attached already is success
        await runtime.attach(instance.id, space.namespace, ("web", instance.name))

    async def is_back() -> bool:
        found = await listed(runtime, instance.id)
        return found.is_attached and found.address is not None

    await eventually(is_back)
    assert (await runtime.inspect(instance.id)).is_live


async def test_what_is_gone_cannot_be_connected(space: Space, runtime: Runtime) -> None:
    instance = await space.running()
    await runtime.remove(instance.id)
    with pytest.raises(Gone):
        await runtime.attach(instance.id, space.namespace, ("web",))


async def test_an_ended_instance_keeps_its_network(
    space: Space, outside: Outside, runtime: Runtime
) -> None:
    """Or its death would look like the deed of somebody."""
    instance = await space.running()
    await outside.ends(instance.id, 0)
    await space.ended(instance.id)
    assert (await listed(runtime, instance.id)).is_attached
