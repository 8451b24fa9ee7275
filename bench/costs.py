"""What a look at all instances costs the processor: by Ring, and by the container engine's stats.

In this process, where nothing else is at work meanwhile, because a running server does other things
as well.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import uvloop

from bench import rig, samples, servers
from bench.figures import Pair

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ring.engine.engine import Engine

PAIRS = 9
LOOKS = 50
_SCHEDULED = 2  # the clock that counts the time on a processor: CPUCLOCK_SCHED


@dataclass(frozen=True, slots=True)
class Found:
    pairs: list[Pair]
    engines: list[Pair]
    """The engine's part of them."""


@dataclass(frozen=True, slots=True)
class Cost:
    """Milliseconds on a processor."""

    client_ms: float
    engine_ms: float

    @property
    def total_ms(self) -> float:
        return self.client_ms + self.engine_ms


class Meter:
    """Counts from its making on."""

    def __init__(self, engine: Sequence[int]) -> None:
        self._engine = engine
        self._before = (time.process_time_ns(), self._engine_ns())

    def read(self) -> Cost:
        client, engine = time.process_time_ns(), self._engine_ns()
        return Cost((client - self._before[0]) / 1e6, (engine - self._before[1]) / 1e6)

    def _engine_ns(self) -> int:
        return sum(_used_ns(pid) for pid in self._engine)


def _used_ns(pid: int) -> int:
    """Of a process with its ended threads, and of the children it has waited for."""
    own = time.clock_gettime_ns(~pid << 3 | _SCHEDULED)
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return own + (int(fields[13]) + int(fields[14])) * 1_000_000_000 // servers.TICKS_PER_S


def counted(stand: rig.Bench, database: Path, count: int) -> Found:
    ids = [one["Id"] for one in stand.engine.containers("ring_deployment")]
    if len(ids) != count:
        raise rig.BenchProblem(f"there are {len(ids)} instances, not {count}")
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(_counted(stand, database, ids))


async def _counted(stand: rig.Bench, database: Path, ids: Sequence[str]) -> Found:
    processes = servers.engine_pids(stand)
    async with samples.opened(stand, database) as engine:
        ours, floor = [], []
        for _ in range(PAIRS):
            ours.append(await _looked(engine, processes, len(ids)))
            meter = Meter(processes)
            await asyncio.to_thread(samples.told, stand, ids)
            floor.append(meter.read())
    both = list(zip(ours, floor, strict=True))
    return Found(
        [Pair(one.total_ms / LOOKS, other.total_ms) for one, other in both],
        [Pair(one.engine_ms / LOOKS, other.engine_ms) for one, other in both],
    )


async def _looked(engine: Engine, processes: Sequence[int], count: int) -> Cost:
    meter = Meter(processes)
    for _ in range(LOOKS):
        await samples.looked(engine, count)
    return meter.read()
