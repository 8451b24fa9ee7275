"""A network whose subnet is of Ring's pool, on an engine."""

from __future__ import annotations

import random
from ipaddress import IPv4Address, IPv4Network
from typing import TYPE_CHECKING

import pytest

from ring.network import taken
from ring.network.pools import Pools

if TYPE_CHECKING:
    from tests.contract.engines import EngineOutside
    from tests.contract.space import Space

pytestmark = [pytest.mark.anyio, pytest.mark.engine]


async def test_each_namespace_gets_the_next_that_is_free(
    engine_space: Space, engine: EngineOutside
) -> None:
    pool = IPv4Network(f"10.99.{random.randrange(256)}.0/24")
    pools = Pools(pool=pool, prefix=28, is_preferred=True)
    runtime = engine.with_pools(pools)
    other = f"{engine_space.namespace}x"
    try:
        found = []
        for namespace in (engine_space.namespace, other):
            await runtime.ensure_network(namespace)
            found.append(await engine.subnet(namespace))
        free = pool.subnets(new_prefix=28)
        assert found == [str(next(free)), str(next(free))]

        instance = await engine_space.running()
        address = (await engine_space.runtime.inspect(instance.id)).address
        assert address is not None
        assert IPv4Address(address) in IPv4Network(found[0])
        assert not [one.what for one in taken.foreign() if one.range.overlaps(pool)]
    finally:
        await runtime.close()
        await engine.clean(other)
