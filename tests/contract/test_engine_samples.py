"""What this machine's files say about real containers."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

import pytest

from ring.core.model.spec import Quantities, Resources
from ring.engine.sampling.machine import Machine
from ring.engine.sampling.sampler import Sampler
from ring.runtimes.base import Samples

if TYPE_CHECKING:
    from ring.core.model.observed import Instance
    from ring.core.model.usage import Usage
    from tests.contract.space import Space

pytestmark = [pytest.mark.anyio, pytest.mark.engine]


async def usage(sampler: Sampler, space: Space, instance: Instance) -> Usage:
    assert isinstance(space.runtime, Samples)
    places = await sampler.find(space.runtime, [instance], has_own_network=True)
    return (await sampler.take(places))[instance.id]


async def test_memory_and_its_limit(engine_space: Space) -> None:
    limits = Resources(limits=Quantities(memory="64Mi"))
    instance = await engine_space.running(await engine_space.order(resources=limits))

    found = await usage(Sampler(Machine(time.monotonic)), engine_space, instance)

    assert 0 < found.memory_bytes < found.memory_limit_bytes == 64 * 1024 * 1024
    assert found.pids >= 1
    assert found.cpu_percent < 50


async def test_without_a_limit_it_is_the_machines_memory(engine_space: Space) -> None:
    found = await usage(
        Sampler(Machine(time.monotonic)), engine_space, await engine_space.running()
    )

    pages, page_bytes = os.sysconf("SC_PHYS_PAGES"), os.sysconf("SC_PAGE_SIZE")
    assert found.memory_limit_bytes == pages * page_bytes
