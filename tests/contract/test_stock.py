"""What a runtime holds besides instances: who uses an image, and when it does not go.

The image is everybody's in these tests: nothing here tries to remove it under all its names.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ring.core.keeping import full_name
from ring.runtimes.base import RuntimeFailure, Unavailable
from ring.runtimes.stock import Stock

if TYPE_CHECKING:
    from ring.runtimes.base import Runtime
    from tests.contract.outside import Outside
    from tests.contract.space import Space

pytestmark = pytest.mark.anyio


async def test_who_is_made_of_an_image(space: Space) -> None:
    runtime = space.runtime
    assert isinstance(runtime, Stock)
    order = await space.order()
    assert order.image.id is not None
    (held,) = [image for image in await runtime.images() if image.id == order.image.id]
    assert full_name(space.outside.image) in map(full_name, held.names)
    created = await runtime.create(order)
    (holder,) = [each for each in await runtime.holders() if each.name == order.name]
    assert holder.image_id == held.id
    assert f"ring_{space.namespace}" in holder.networks
    await runtime.remove(created.id)
    assert order.name not in {each.name for each in await runtime.holders()}


async def test_an_image_with_a_name_that_was_not_told_of_stays(
    runtime: Runtime, outside: Outside
) -> None:
    assert isinstance(runtime, Stock)
    wanted = full_name(outside.image)
    (held,) = [i for i in await runtime.images() if wanted in map(full_name, i.names)]
    with pytest.raises(RuntimeFailure, match="it is also"):
        await runtime.remove_image(held.id, ())
    assert held in await runtime.images()


async def test_what_is_not_there_is_gone(runtime: Runtime) -> None:
    assert isinstance(runtime, Stock)
    await runtime.remove_image("sha256:" + "0" * 64, ("no/such:1",))
    await runtime.remove_network("0" * 64)


async def test_an_engine_that_is_away_holds_not_nothing(outside: Outside) -> None:
    away = outside.away()
    assert isinstance(away, Stock)
    for asked in (away.images, away.holders, away.networks, away.volumes):
        with pytest.raises(Unavailable):
            await asked()
    await away.close()
