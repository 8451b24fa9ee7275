"""What all instances take: the engine's own objects read it, beside the container engine's stats.

In this process, because a running server does not tell when a look at all of them ends.
"""

from __future__ import annotations

import asyncio
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
from ring.runtimes.docker import open_runtime
from ring.store.store import Store

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

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
    clock, stop = SystemClock(), asyncio.Event()
    store = Store.open(database, clock)
    runtime = open_runtime({"host": stand.engine.host})
    engine = Engine(
        store,
        {"docker": runtime},
        clock,
        Limits(),
        files=Files(database.parent / "configs"),
        interval_s=NEVER_S,
    )
    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(engine.run(stop))
            await asyncio.sleep(QUIET_S)
            pairs = []
            for _ in range(LOOKS):
                ours_ms = await _looked(engine, len(ids))
                floor_ms = await asyncio.to_thread(_told, stand, ids)
                pairs.append(Pair(ours_ms, floor_ms))
            stop.set()
    finally:
        await runtime.close()
        await store.close()
    return pairs


async def _looked(engine: Engine, count: int) -> float:
    began = time.perf_counter()
    await engine.statistics.refresh()
    elapsed_ms = (time.perf_counter() - began) * 1000
    measured = sum(one.instances for one in engine.statistics.snapshot.taken)
    if measured != count:
        raise rig.BenchProblem(f"{measured} of {count} instances were measured")
    return elapsed_ms


def _told(stand: rig.Bench, ids: Sequence[str]) -> float:
    """All at once, for the engine waits a second between the two readings of each."""
    clients = [Client(stand.engine.host) for _ in ids]
    for client in clients:
        client.ping()
    with ThreadPoolExecutor(len(ids)) as pool:
        began = time.perf_counter()
        paths = [f"/containers/{one}/stats?stream=false" for one in ids]
        list(pool.map(lambda client, path: client.ask("GET", path), clients, paths))
        return (time.perf_counter() - began) * 1000
