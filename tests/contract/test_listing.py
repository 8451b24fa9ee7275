"""One listing shows every labelled instance, and a failed one never looks empty."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ring.core.model.ids import InstanceId, InstanceName
from ring.core.model.observed import State
from ring.runtimes.base import Unavailable

if TYPE_CHECKING:
    from ring.core.model.observed import Instance
    from ring.runtimes.base import Runtime
    from tests.contract.outside import Outside
    from tests.contract.space import Space

pytestmark = pytest.mark.anyio


async def listed(space: Space) -> dict[InstanceName, Instance]:
    found = await space.runtime.list()
    return {one.name: one for one in found if one.deployment_id == space.deployment_id}


async def test_every_state_is_listed(space: Space, outside: Outside) -> None:
    created = await space.created()
    running = await space.running()
    exited = await space.running()
    await outside.ends(exited.id, 1)
    await space.ended(exited.id)

    seen = await listed(space)
    assert {name: one.state for name, one in seen.items()} == {
        created.name: State.CREATED,
        running.name: State.RUNNING,
        exited.name: State.EXITED,
    }
    assert seen[running.name].address == (await space.runtime.inspect(running.id)).address
    assert seen[exited.name].exit is None


async def test_every_look_tells_the_image_that_was_resolved(space: Space, runtime: Runtime) -> None:
    order = await space.order()
    created = await runtime.create(order)
    found = await runtime.find(order.name)
    seen = [created, await runtime.inspect(created.id), found, (await listed(space))[order.name]]

    assert order.image.digest is not None
    assert [one and one.image_digest for one in seen] == [order.image.digest] * 4


async def test_instances_of_other_servers_are_listed_as_theirs(space: Space) -> None:
    other = space.sibling(server_id="server-b")
    theirs = await other.created()
    ours = await space.created()

    owners = {one.name: one.server_id for one in await space.runtime.list()}
    assert owners[theirs.name] == "server-b"
    assert owners[ours.name] == "server-a"


async def test_removed_instances_are_not_listed(space: Space, runtime: Runtime) -> None:
    created = await space.created()
    await runtime.remove(created.id)
    assert await listed(space) == {}


async def test_an_engine_that_is_away_is_unavailable(outside: Outside) -> None:
    runtime = outside.away()
    with pytest.raises(Unavailable):
        await runtime.ping()
    with pytest.raises(Unavailable):
        await runtime.list()
    with pytest.raises(Unavailable):
        await runtime.inspect(InstanceId("a" * 64))
    with pytest.raises(Unavailable):
        await runtime.find(InstanceName("a_b_00000000"))
    with pytest.raises(Unavailable):
        await runtime.ensure_network("a")
    with pytest.raises(Unavailable):
        await anext(aiter(runtime.events(None)))
    await runtime.close()


async def test_an_engine_that_is_there_answers_a_ping(runtime: Runtime) -> None:
    await runtime.ping()
    assert runtime.capabilities().exit_codes
    assert runtime.location
