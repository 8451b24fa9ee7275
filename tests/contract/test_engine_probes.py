"""Probes of real containers: by their address, and inside them."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING

import pytest

from ring.core.model.deployment import Deployment
from ring.core.model.spec import DeploymentSpec
from ring.core.model.status import Status
from ring.engine.probing.probes import Probes
from tests.contract.outside import UNTIL_TOLD, eventually

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from ring.core.model.observed import Instance
    from ring.engine.probing.probed import Probed
    from tests.contract.engines import EngineOutside
    from tests.contract.space import Space

pytestmark = [pytest.mark.anyio, pytest.mark.engine]

SERVE = ("sh", "-c", "mkdir /www; echo up >/www/up; exec httpd -f -p 80 -h /www")


async def nothing_mounted(row: Deployment, instance: Instance) -> tuple[str, ...]:
    return ()


@pytest.fixture
async def probes(engine: EngineOutside) -> AsyncIterator[Probes]:
    one = Probes({engine.runtime.name: engine.runtime}, nothing_mounted)
    yield one
    await one.close()


async def probed(probes: Probes, space: Space, instance: Instance, **check: object) -> Probed:
    whole = {"interval": "1s", "timeout": "30s", "on_failure": "alert", **check}
    spec = DeploymentSpec.model_validate_json(
        json.dumps(
            {
                "name": "web",
                "namespace": space.namespace,
                "runtime": space.runtime.name,
                "image": space.outside.image,
                "health_checks": [whole],
                "environment": {"PASSWORD": {"secretRef": "db"}},
            }
        )
    )
    row = Deployment(space.deployment_id, spec, Status.RUNNING, instance.created_at)
    return await probes.run(row, instance, spec.health_checks[0])


async def listed(space: Space, instance: Instance) -> Instance:
    return next(one for one in await space.runtime.list() if one.id == instance.id)


async def test_by_its_address(engine_space: Space, probes: Probes) -> None:
    made = await engine_space.running(await engine_space.order(command=SERVE))
    instance = await listed(engine_space, made)

    async def is_up() -> bool:
        return (
            await probed(probes, engine_space, instance, type="tcp", port=80)
        ).status == "success"

    await eventually(is_up)
    found = await probed(probes, engine_space, instance, type="http", url="http://localhost:80/up")
    assert found.message == (f"HTTP check successful (200) for http://{instance.address}:80/up")
    missing = await probed(probes, engine_space, instance, type="http", url="http://127.0.0.1/down")
    assert missing.message == (
        f"HTTP check failed with status 404 for http://{instance.address}/down"
    )
    closed = await probed(probes, engine_space, instance, type="tcp", port=81)
    assert closed.message == "TCP connection failed: Connection refused"


async def test_an_address_that_the_listing_did_not_tell(
    engine_space: Space, probes: Probes
) -> None:
    created = await engine_space.running(await engine_space.order(command=SERVE))
    assert created.address is None

    async def is_up() -> bool:
        return (
            await probed(probes, engine_space, created, type="tcp", port=80)
        ).status == "success"

    await eventually(is_up)


@pytest.mark.parametrize(
    ("command", "message"),
    [
        ("true", "Command exited 0"),
        ("test -f /nothing", "Command exited 1"),
        ("echo $((1 + 1)); exit 3", "Command exited 3: 2"),
        ("echo '$((1 + 1))'", "Command exited 0"),
        ("ls '/no where'", "Command exited 1: ls: /no where: No such file or directory"),
        ('echo "$PASSWORD is wrong"; false', "Command exited 1: *** is wrong"),
    ],
)
async def test_a_command(engine_space: Space, probes: Probes, command: str, message: str) -> None:
    order = await engine_space.order(environment={"PASSWORD": "hunter2"})
    instance = await engine_space.running(order)
    found = await probed(probes, engine_space, instance, type="command", command=command)
    assert found.message == message


async def test_a_command_that_takes_too_long(
    engine_space: Space, engine: EngineOutside, probes: Probes
) -> None:
    instance = await engine_space.running(await engine_space.order(command=UNTIL_TOLD))
    loop = asyncio.get_running_loop()
    begun = loop.time()
    found = await probed(
        probes,
        engine_space,
        instance,
        timeout="1s",
        type="command",
        command="sleep 1001 & sleep 1002",
    )
    # By itself it would take minutes; an engine that is busy takes seconds to end it.
    assert 0.9 < loop.time() - begun < 30
    assert (found.status, found.message) == ("timeout", "Health check timed out")
    assert await engine.commands(instance.id) == 0
