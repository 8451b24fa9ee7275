"""The health that a container shows, as `ctr` tells it, and what of it stays as it was."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from typing import TYPE_CHECKING

import pytest

from ring.core.model.health import Health
from ring.core.model.ids import InstanceId
from ring.runtimes.base import Died, Gone, Resync
from ring.runtimes.containerd import events
from ring.runtimes.containerd.client import Client
from ring.runtimes.shown_health import ShowsHealth
from tests.contract.containerd import NAMESPACE
from tests.contract.test_engine_options import order

if TYPE_CHECKING:
    from ring.core.model.observed import Instance
    from tests.contract.containerd import ContainerdOutside
    from tests.contract.space import Space

pytestmark = [pytest.mark.anyio, pytest.mark.engine]

READY = {
    "type": "command",
    "command": "test -f /ready",
    "interval": "1s",
    "timeout": "1s",
    "on_failure": "alert",
    "readiness": True,
}
THEIRS = {"team": "shop", "ring.health.of": "nobody", "ring.health": "healthy"}


async def listed(space: Space, instance_id: InstanceId) -> Instance:
    return next(one for one in await space.runtime.list() if one.id == instance_id)


async def test_it_is_born_starting_and_shows_what_it_is_told(
    containerd_space: Space, containerd: ContainerdOutside
) -> None:
    runtime = containerd.runtime
    assert isinstance(runtime, ShowsHealth)
    made = await runtime.create(await order(containerd_space, health_checks=[READY], labels=THEIRS))
    assert made.health is Health.STARTING
    before = await containerd.told(made.id)
    assert before["Labels"]["ring.health"] == "starting"
    assert before["Labels"]["ring.health.of"] == "nobody"
    await runtime.start(made.id)
    for health in (Health.HEALTHY, Health.UNHEALTHY, Health.STARTING, Health.HEALTHY):
        await runtime.show_health(made.id, health)
        assert (await containerd.labels(made.id))["ring.health"] == health
        assert (await listed(containerd_space, made.id)).health is health
        assert (await runtime.inspect(made.id)).health is health
    after = await containerd.told(made.id)
    assert after["Labels"] == {**before["Labels"], "ring.health": "healthy"}
    assert {**after, "Labels": None, "UpdatedAt": None} == {
        **before,
        "Labels": None,
        "UpdatedAt": None,
    }


async def test_one_whose_label_was_taken_away_shows_it_again(
    containerd_space: Space, containerd: ContainerdOutside
) -> None:
    runtime = containerd.runtime
    assert isinstance(runtime, ShowsHealth)
    made = await runtime.create(await order(containerd_space, health_checks=[READY]))
    await containerd.ctr("containers", "label", made.id, "ring.health=")
    assert (await listed(containerd_space, made.id)).health is None
    await runtime.show_health(made.id, Health.HEALTHY)
    assert (await containerd.labels(made.id))["ring.health"] == "healthy"


async def test_without_a_readiness_command_it_shows_nothing(
    containerd_space: Space, containerd: ContainerdOutside
) -> None:
    unready = {**READY, "readiness": False}
    made = await containerd.runtime.create(
        await order(containerd_space, health_checks=[unready], labels=THEIRS)
    )
    assert made.health is None
    told = await containerd.labels(made.id)
    assert "ring.health" not in told
    assert told["team"] == "shop"


async def test_what_is_gone_is_said_to_be(
    containerd_space: Space, containerd: ContainerdOutside
) -> None:
    runtime = containerd.runtime
    assert isinstance(runtime, ShowsHealth)
    made = await runtime.create(await order(containerd_space, health_checks=[READY]))
    await runtime.remove(made.id)
    for instance_id in (made.id, InstanceId("no such/id")):
        with pytest.raises(Gone):
            await runtime.show_health(instance_id, Health.HEALTHY)


async def test_it_is_no_news_of_the_instance(
    containerd_space: Space, containerd: ContainerdOutside
) -> None:
    runtime = containerd.runtime
    assert isinstance(runtime, ShowsHealth)
    made = await containerd_space.running(await order(containerd_space, health_checks=[READY]))
    client = Client(containerd.socket, NAMESPACE)
    try:
        async with asyncio.timeout(30), aclosing(events.follow(client)) as stream:
            assert isinstance(await anext(stream), Resync)
            await runtime.show_health(made.id, Health.HEALTHY)
            await runtime.show_health(made.id, Health.UNHEALTHY)
            await containerd.kills(made.id)
            async for event in stream:
                if not isinstance(event, Resync) and event.instance_id == made.id:
                    assert isinstance(event, Died)
                    break
    finally:
        await client.close()
