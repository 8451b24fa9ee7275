"""A published port has one holder at a time."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Literal

import pytest

from ring.core.model.failures import FailureClass
from ring.core.model.observed import State
from ring.core.model.spec import Port
from ring.runtimes.base import RuntimeFailure

if TYPE_CHECKING:
    from ring.runtimes.base import Runtime
    from tests.contract.space import Space

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("protocol", ["tcp", "udp"])
async def test_a_busy_port_is_named_and_its_holder_stays(
    space: Space, runtime: Runtime, protocol: Literal["tcp", "udp"]
) -> None:
    published = random.randrange(20000, 30000)
    ports = (Port(published=published, target=80, protocol=protocol),)
    holder = await space.running(await space.order("holder", ports=ports))
    contender = await runtime.create(await space.order("contender", ports=ports))

    with pytest.raises(RuntimeFailure) as caught:
        await runtime.start(contender.id)
    assert caught.value.failure.kind is FailureClass.PORT_IN_USE
    assert caught.value.message == f"port {published} is already allocated"
    assert (await runtime.inspect(holder.id)).state is State.RUNNING
    assert not (await runtime.inspect(contender.id)).is_live

    await runtime.stop(holder.id, 5.0)
    await runtime.remove(holder.id)
    await runtime.start(contender.id)
    assert (await runtime.inspect(contender.id)).state is State.RUNNING
