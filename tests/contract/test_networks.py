"""Each namespace gets one network, however many ask for it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from ring.core.model.observed import State
from ring.core.model.spec import Network

if TYPE_CHECKING:
    from ring.runtimes.base import Runtime
    from tests.contract.outside import Outside
    from tests.contract.space import Space

pytestmark = pytest.mark.anyio


async def test_concurrent_callers_make_one_network(
    space: Space, outside: Outside, runtime: Runtime
) -> None:
    await asyncio.gather(*(runtime.ensure_network(space.namespace) for _ in range(8)))
    assert await outside.networks(space.namespace) == 1


async def test_ensuring_again_changes_nothing(
    space: Space, outside: Outside, runtime: Runtime
) -> None:
    await runtime.ensure_network(space.namespace)
    await runtime.ensure_network(space.namespace)
    assert await outside.networks(space.namespace) == 1


async def test_on_the_hosts_network_it_needs_none_and_has_no_address(
    space: Space, outside: Outside, runtime: Runtime
) -> None:
    instance = await space.running(await space.order(network=Network(mode="host")))
    assert await outside.networks(space.namespace) == 0
    found = await runtime.inspect(instance.id)
    listed = next(one for one in await runtime.list() if one.id == instance.id)
    for one in (found, listed):
        assert (one.state, one.address, one.is_attached) == (State.RUNNING, None, True)
