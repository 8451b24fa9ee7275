"""Nothing goes between the networks of two engines on one machine, but by a published port."""

from __future__ import annotations

import itertools
import random
from functools import partial
from typing import TYPE_CHECKING

import pytest

from ring.core.model.spec import Port
from tests.contract.containerd import containerd_outside
from tests.contract.outside import docker_outside, eventually, podman_outside
from tests.contract.space import Space

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping

    from ring.core.model.ids import InstanceId
    from tests.contract.engines import EngineOutside

    Pair = tuple[EngineOutside, EngineOutside]

pytestmark = [pytest.mark.anyio, pytest.mark.engine]

SERVE = ("sh", "-c", "echo served >/index.html; exec httpd -f -p 80 -h /")
ENGINES: Mapping[str, Callable[[], EngineOutside]] = {
    "docker": docker_outside,
    "podman": podman_outside,
    "containerd": containerd_outside,
}


@pytest.fixture(params=itertools.permutations(ENGINES, 2), ids="-".join)
async def pair(request: pytest.FixtureRequest) -> AsyncIterator[Pair]:
    """That of the instance which serves, and that of the one which asks."""
    server, client = (ENGINES[name]() for name in request.param)
    yield server, client
    await server.close()
    await client.close()


async def test_networks_of_two_engines_do_not_reach_each_other(pair: Pair) -> None:
    here, there = Space(pair[0]), Space(pair[1])
    published = random.randrange(20000, 30000)
    ports = (Port(published=published, target=80),)
    try:
        server = await here.running(await here.order(command=SERVE, ports=ports))
        client = await there.running()
        address = (await here.runtime.inspect(server.id)).address
        assert address is not None
        outward = f"{await pair[1].gateway(there.namespace)}:{published}"
        await eventually(partial(fetched, pair[1], client.id, outward))
        assert not await fetched(pair[1], client.id, address)
    finally:
        await here.outside.clean(here.namespace)
        await there.outside.clean(there.namespace)


async def fetched(engine: EngineOutside, instance_id: InstanceId, host: str) -> bool:
    code, output = await engine.run(
        instance_id, "timeout", "1", "wget", "-q", "-O-", f"http://{host}/index.html"
    )
    return code == 0 and output.strip() == "served"
