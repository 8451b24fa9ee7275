"""What all instances take: the engine's own objects read it, beside the container engine's stats.

In this process, because a running server does not tell when a look at all of them ends.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import uvloop
from scripts.lib.engine_http import Engine as Client

from bench import rig
from bench.figures import Pair
from ring.clock import SystemClock
from ring.core.plan.view import Limits
from ring.engine.engine import Engine
from ring.engine.operating.files import Files
from ring.runtimes import docker, podman
from ring.store.store import Store

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping, Sequence
    from pathlib import Path

    from ring.runtimes.base import Runtime

OPENERS: Mapping[str, Callable[[Mapping[str, object]], Runtime]] = {
    "docker": docker.open_runtime,
    "podman": podman.open_runtime,
}
LOOKS = 7
QUIET_S = 12.0
"""Longer than the engine waits before it forgives."""
NEVER_S = 3600.0


def paired(stand: rig.Bench, database: Path, count: int) -> list[Pair]:
    """Pairs of a look at `count` instances and the container engine's stats of each of them."""
    ids = [one["Id"] for one in stand.engine.containers("ring_deployment")]
    if len(ids) != count:
        raise rig.BenchProblem(f"there are {len(ids)} instances, not {count}")
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(_paired(stand, database, ids))


async def _paired(stand: rig.Bench, database: Path, ids: Sequence[str]) -> list[Pair]:
    async with opened(stand, database) as engine:
        pairs = []
        for _ in range(LOOKS):
            ours_ms = await looked(engine, len(ids))
            floor_ms = await asyncio.to_thread(told, stand, ids)
            pairs.append(Pair(ours_ms, floor_ms))
        return pairs


@contextlib.asynccontextmanager
async def opened(stand: rig.Bench, database: Path) -> AsyncIterator[Engine]:
    """The engine's own objects on a server's database, once they have come to rest."""
    clock, stop = SystemClock(), asyncio.Event()
    store = Store.open(database, clock)
    runtime = OPENERS[stand.runtime]({"host": stand.engine.host})
    engine = Engine(
        store,
        {stand.runtime: runtime},
        clock,
        Limits(),
        files=Files(database.parent / "configs"),
        interval_s=NEVER_S,
    )
    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(engine.run(stop))
            await asyncio.sleep(QUIET_S)
            yield engine
            stop.set()
    finally:
        await runtime.close()
        await store.close()


async def looked(engine: Engine, count: int) -> float:
    """Milliseconds of a look at all instances."""
    began = time.perf_counter()
    await engine.statistics.refresh()
    elapsed_ms = (time.perf_counter() - began) * 1000
    measured = sum(one.instances for one in engine.statistics.snapshot.taken)
    if measured != count:
        raise rig.BenchProblem(f"{measured} of {count} instances were measured")
    return elapsed_ms


def told(stand: rig.Bench, ids: Sequence[str]) -> float:
    """Milliseconds until the engine has told the figures of each, a share of the processor among
    them; all at once, for it waits a second between the two readings that a share takes."""
    clients = [Client(stand.engine.host) for _ in ids]
    for client in clients:
        client.ping()
    with ThreadPoolExecutor(len(ids)) as pool:
        began = time.perf_counter()
        list(pool.map(_read_twice, clients, ids))
        return (time.perf_counter() - began) * 1000


def _read_twice(client: Client, container: str) -> None:
    """Podman 4 tells the second reading alone, so that there have to be two answers of it."""
    path = f"/containers/{container}/stats?stream=false"
    told = client.ask("GET", path)
    answer = json.loads(told) if isinstance(told, bytes) else told  # Podman does not say what it is
    if not answer["precpu_stats"].get("system_cpu_usage"):
        client.ask("GET", path)
