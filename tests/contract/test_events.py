"""Events tell what happened, with its time, and can be taken up again from any time."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ring.runtimes.base import CameUp, Destroyed, Died, Signalled

if TYPE_CHECKING:
    from ring.runtimes.base import Runtime
    from tests.contract.outside import Outside
    from tests.contract.space import Space

pytestmark = pytest.mark.anyio


async def test_a_life_is_told_in_order(space: Space, outside: Outside, runtime: Runtime) -> None:
    instance = await space.running()
    await outside.ends(instance.id, 3)
    await space.ended(instance.id)
    await runtime.remove(instance.id)

    told = await space.told(instance.created_at, Destroyed)
    assert [type(event) for event in told] == [CameUp, Died, Destroyed]
    died = told[1]
    assert isinstance(died, Died)
    assert (died.instance_id, died.name, died.code) == (instance.id, instance.name, 3)
    assert instance.created_at <= died.at


async def test_a_stop_is_told_as_a_signal_and_a_death(
    space: Space, outside: Outside, runtime: Runtime
) -> None:
    instance = await space.running()
    await runtime.stop(instance.id, 5.0)

    told = await space.told(instance.created_at, Died)
    signals = [Signalled] if outside.tells_stops else []
    assert [type(event) for event in told] == [CameUp, *signals, Died]


async def test_what_was_missed_is_told_again(space: Space, outside: Outside) -> None:
    instance = await space.running()
    up = (await space.told(instance.created_at, CameUp))[0]
    await outside.ends(instance.id, 4)
    await space.ended(instance.id)
    assert isinstance(up, CameUp)

    missed = await space.told(up.at, Died)
    again = await space.told(up.at, Died)
    assert missed == again
    died = missed[-1]
    assert isinstance(died, Died)
    assert died.code == 4

    since_death = await space.told(died.at, Died)
    assert since_death == [died]
