"""No-op sweeps of the engine's own objects on a server's database, clocked.

In this process, because a running server does not tell when a sweep ends.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

import uvloop

from bench import rig
from bench.figures import Pair
from ring.clock import SystemClock
from ring.core.plan.planner import plan
from ring.core.plan.view import Limits
from ring.engine.engine import Engine
from ring.engine.operating.files import Files
from ring.runtimes.docker import open_runtime
from ring.store.store import Store

if TYPE_CHECKING:
    from pathlib import Path

    from ring.core.plan.view import NameSource, Now, Plan, View

SWEEPS = 30
QUIET_S = 12.0
"""Longer than the engine waits before it forgives."""
NEVER_S = 3600.0
WITHIN_S = 30.0


def paired(stand: rig.Bench, database: Path) -> list[Pair]:
    """Pairs of a sweep and a raw list, the first place changing each time."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(_paired(stand, database))


class Passes:
    """The real planner, counted."""

    def __init__(self) -> None:
        self.acted = 0
        self._left = 0
        self._through = asyncio.Event()

    def plan(self, view: View, now: Now, names: NameSource) -> Plan:
        made = plan(view, now, names)
        self.acted += bool(made.writes or made.actions)
        self._left -= 1
        if self._left == 0:
            self._through.set()
        return made

    def expect(self, count: int) -> None:
        self.acted, self._left = 0, count
        self._through.clear()

    async def through(self) -> None:
        async with asyncio.timeout(WITHIN_S):
            await self._through.wait()


async def _paired(stand: rig.Bench, database: Path) -> list[Pair]:
    clock, passes, stop = SystemClock(), Passes(), asyncio.Event()
    store = Store.open(database, clock)
    runtime = open_runtime({"host": stand.engine.host})
    engine = Engine(
        store,
        {"docker": runtime},
        clock,
        Limits(),
        files=Files(database.parent / "configs"),
        interval_s=NEVER_S,
        planner=passes.plan,
    )
    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(engine.run(stop))
            await asyncio.sleep(QUIET_S)
            pairs = []
            for number in range(SWEEPS):
                floor_ms = _listed(stand) if number % 2 else None
                ours_ms = await _swept(engine, store, passes)
                pairs.append(Pair(ours_ms, floor_ms or _listed(stand)))
            stop.set()
    finally:
        await runtime.close()
        await store.close()
    return pairs


async def _swept(engine: Engine, store: Store, passes: Passes) -> float:
    passes.expect(sum(1 for _ in store.groups()))
    began = time.perf_counter()
    engine.observers["docker"].refresh()
    await passes.through()
    elapsed_ms = (time.perf_counter() - began) * 1000
    if passes.acted:
        raise rig.BenchProblem(f"{passes.acted} passes of a sweep acted on an idle engine")
    return elapsed_ms


def _listed(stand: rig.Bench) -> float:
    began = time.perf_counter()
    stand.engine.containers("ring_deployment")
    return (time.perf_counter() - began) * 1000
