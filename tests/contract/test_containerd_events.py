"""What a real containerd tells of containers, and where the machine's figures of one are."""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import TYPE_CHECKING

import pytest

from ring.core.model import labels
from ring.engine.sampling.machine import Machine
from ring.runtimes.base import (
    CameUp,
    Destroyed,
    Died,
    OutOfMemory,
    Paused,
    Process,
    Resync,
    RuntimeEvent,
)
from ring.runtimes.containerd import events
from tests.contract.bare_containers import Bare

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator
    from pathlib import Path

pytestmark = [pytest.mark.anyio, pytest.mark.engine]

OWN = {labels.DEPLOYMENT: "d1"}
LIMIT_BYTES = 64 * 1024 * 1024


@pytest.fixture
async def bare(tmp_path: Path) -> AsyncIterator[Bare]:
    one = Bare(tmp_path)
    await one.prepare()
    yield one
    await one.close()


@contextlib.asynccontextmanager
async def listening(bare: Bare) -> AsyncIterator[AsyncGenerator[RuntimeEvent, None]]:
    async with contextlib.aclosing(events.follow(bare.client)) as one:
        assert isinstance(await anext(one), Resync)
        yield one


@pytest.fixture
async def stream(bare: Bare) -> AsyncIterator[AsyncGenerator[RuntimeEvent, None]]:
    async with listening(bare) as one:
        yield one


async def told(
    stream: AsyncGenerator[RuntimeEvent, None], last: type[RuntimeEvent]
) -> list[RuntimeEvent]:
    found: list[RuntimeEvent] = []
    async with asyncio.timeout(20):
        while not found or not isinstance(found[-1], last):
            found.append(await anext(stream))
    return found


async def test_a_life(bare: Bare, stream: AsyncGenerator[RuntimeEvent, None]) -> None:
    await bare.run()  # nobody's
    instance_id = await bare.run(labels=OWN)
    await bare.ctr("tasks", "exec", "--exec-id", "e1", instance_id, "true")
    await bare.ctr("tasks", "pause", instance_id)
    await bare.ctr("tasks", "resume", instance_id)
    await bare.ctr("tasks", "kill", "--signal", "SIGKILL", instance_id)
    found = await told(stream, Died)
    assert [type(one) for one in found] == [CameUp, Paused, CameUp, Died]
    died = found[-1]
    assert isinstance(died, Died)
    assert (died.instance_id, str(died.name), died.deployment_id) == (
        instance_id,
        instance_id,
        "d1",
    )
    assert (died.code, died.certain) == (137, True)


async def test_what_is_removed(bare: Bare) -> None:
    """Made before anybody listened: whose one is that is made later is asked of containerd, where
    it may be gone by then."""
    await bare.ctr(
        "containers", "create", "--rootfs", "--label", f"{labels.DEPLOYMENT}=d1",
        str(bare.root), "never-started", "true",
    )  # fmt: skip
    async with listening(bare) as stream:
        await bare.ctr("containers", "delete", "never-started")
        (gone,) = await told(stream, Destroyed)
    assert isinstance(gone, Destroyed)
    assert (gone.instance_id, gone.deployment_id) == ("never-started", "d1")


async def test_memory_that_runs_out(bare: Bare, stream: AsyncGenerator[RuntimeEvent, None]) -> None:
    script = "x=a; while :; do x=$x$x; done"
    await bare.run("sh", "-c", script, labels=OWN, memory=32_000_000)
    found = await told(stream, Died)
    assert {type(one) for one in found} == {CameUp, OutOfMemory, Died}


async def test_its_figures(bare: Bare) -> None:
    script = "dd if=/dev/zero of=/dev/null bs=1M count=200 2>/dev/null; sleep 100000"
    instance_id = await bare.run("sh", "-c", script, memory=LIMIT_BYTES)
    machine = Machine(time.monotonic)
    process = Process(await bare.pid(instance_id))
    place = machine.place(instance_id, process, has_own_network=True)
    assert place is not None
    reading = machine.read(place)
    assert reading is not None
    assert reading.usage.memory_limit_bytes == LIMIT_BYTES
    assert 0 < reading.usage.memory_bytes < LIMIT_BYTES
    assert reading.usage.pids >= 1
    assert reading.cpu_ns > 0
