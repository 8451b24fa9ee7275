"""What this machine's files say about real containers."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ring.core.model.spec import Quantities, Resources
from ring.engine.sampling.machine import Machine
from ring.engine.sampling.sampler import Sampler
from ring.runtimes.base import Samples
from tests.contract.outside import eventually

if TYPE_CHECKING:
    from ring.core.model.observed import Instance
    from ring.core.model.usage import Usage
    from tests.contract.space import Space

pytestmark = [pytest.mark.anyio, pytest.mark.engine]

BUSY = ("sh", "-c", "while :; do :; done")
WORKED_S = 1.0
"""Of processor time: far more than the kernel's ticks are wide."""


async def usage(sampler: Sampler, space: Space, instance: Instance) -> Usage:
    assert isinstance(space.runtime, Samples)
    places = await sampler.find(space.runtime, [instance], has_own_network=True)
    return (await sampler.take(places))[instance.id]


async def test_memory_and_its_limit(docker_space: Space) -> None:
    limits = Resources(limits=Quantities(memory="64Mi"))
    instance = await docker_space.running(await docker_space.order(resources=limits))

    found = await usage(Sampler(Machine(time.monotonic)), docker_space, instance)

    assert 0 < found.memory_bytes < found.memory_limit_bytes == 64 * 1024 * 1024
    assert found.pids >= 1
    assert found.cpu_percent < 50


async def test_without_a_limit_it_is_the_machines_memory(docker_space: Space) -> None:
    found = await usage(
        Sampler(Machine(time.monotonic)), docker_space, await docker_space.running()
    )

    pages, page_bytes = os.sysconf("SC_PHYS_PAGES"), os.sysconf("SC_PAGE_SIZE")
    assert found.memory_limit_bytes == pages * page_bytes


async def test_a_busy_loop_takes_what_its_process_says_it_took(docker_space: Space) -> None:
    instance = await docker_space.running(await docker_space.order(command=BUSY))
    assert isinstance(docker_space.runtime, Samples)
    process = await docker_space.runtime.process(instance.id)
    assert process is not None
    sampler = Sampler(Machine(time.monotonic))
    await usage(sampler, docker_space, instance)
    before, began = _processor_s(process.pid), time.monotonic()

    async def has_worked() -> bool:
        return _processor_s(process.pid) - before >= WORKED_S

    await eventually(has_worked, 60)

    found = await usage(sampler, docker_space, instance)

    share = (_processor_s(process.pid) - before) / (time.monotonic() - began) * 100
    assert share > 1
    assert found.cpu_percent == pytest.approx(share, rel=0.2)


def _processor_s(pid: int) -> float:
    """Seconds in user and system mode, as the kernel counts them for a process alone."""
    words = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")
