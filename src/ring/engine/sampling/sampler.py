"""Instances measured: their processes found once, and each reading kept for the next one's rate."""

from __future__ import annotations

import asyncio
import logging
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING

from ring.engine.sampling.machine import NANOSECONDS, Place, Reading
from ring.runtimes.base import Gone, RuntimeFailure

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from ring.core.model.ids import InstanceId
    from ring.core.model.observed import Instance
    from ring.core.model.usage import Usage
    from ring.engine.sampling.machine import Machine
    from ring.runtimes.base import Samples

log = logging.getLogger(__name__)

CLOSEST_S = 0.2
"""Two readings that are closer tell no rate."""
OLDEST_S = 60.0
"""One that is older tells of another time."""
INLINE = 16
"""So many are read at once on the loop; more of them beside it."""
BATCH = 64
LOOKUPS_WIDE = 8


class Rate:
    """One instance's processor time: its last readings, far enough apart."""

    def __init__(self, first: Reading) -> None:
        self._before: Reading | None = None
        self._last = first

    def of(self, reading: Reading) -> float | None:
        """Per cent of one core since the reading before; None: there is none that tells."""
        base = next((each for each in (self._last, self._before) if _tells(each, reading)), None)
        if reading.at - self._last.at >= CLOSEST_S:
            self._before, self._last = self._last, reading
        if base is None:
            return None
        used = max(0, reading.cpu_ns - base.cpu_ns)
        return used / NANOSECONDS / (reading.at - base.at) * 100


def _with(percent: float | None, reading: Reading) -> Usage:
    return replace(reading.usage, cpu_percent=percent) if percent else reading.usage


def _tells(base: Reading | None, reading: Reading) -> bool:
    return base is not None and CLOSEST_S <= reading.at - base.at <= OLDEST_S


class Sampler:
    """Loop thread only; the files are read on a thread of its own where they are many."""

    def __init__(self, machine: Machine) -> None:
        self._machine = machine
        self._places: dict[InstanceId, Place] = {}
        self._rates: dict[InstanceId, Rate] = {}
        self._lookups = asyncio.Semaphore(LOOKUPS_WIDE)
        self._pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix="ring-samples")

    def close(self) -> None:
        self._pool.shutdown(wait=False, cancel_futures=True)

    def known(self, instances: Sequence[Instance]) -> Sequence[Place] | None:
        """Where they are; None: somebody has to ask for one."""
        places = [place for each in instances if (place := self._places.get(each.id)) is not None]
        return places if len(places) == len(instances) else None

    async def find(
        self, runtime: Samples, instances: Iterable[Instance], *, has_own_network: bool
    ) -> Sequence[Place]:
        """Where they are. One that is not to be found is left out, and sought again next time."""
        found = await asyncio.gather(
            *(self._find(runtime, each, has_own_network) for each in instances)
        )
        return [place for place in found if place is not None]

    async def take(self, places: Sequence[Place]) -> Mapping[InstanceId, Usage]:
        """What each takes now. Who has just ended is left out. Waits CLOSEST_S where one has not
        been read before."""
        readings = await self._read(places)
        usages: dict[InstanceId, Usage] = {}
        fresh: list[Place] = []
        for place in places:
            if (reading := readings.get(place.instance_id)) is None:
                continue
            percent = self._percent(place.instance_id, reading)
            usages[place.instance_id] = _with(percent, reading)
            if percent is None:
                fresh.append(place)
        if fresh:
            await asyncio.sleep(CLOSEST_S * 1.05)
            for instance_id, reading in (await self._read(fresh)).items():
                percent = self._percent(instance_id, reading)
                usages[instance_id] = _with(percent, reading)
        return usages

    def forget_all_but(self, instances: Iterable[InstanceId]) -> None:
        keep = set(instances)
        for gone in [one for one in self._places if one not in keep]:
            self._forget(gone)

    async def _find(
        self, runtime: Samples, instance: Instance, has_own_network: bool
    ) -> Place | None:
        if (known := self._places.get(instance.id)) is not None:
            return known
        try:
            async with self._lookups:
                process = await runtime.process(instance.id)
        except (Gone, RuntimeFailure) as error:
            log.debug("cannot tell the process of %s: %s", instance.name, error)
            return None
        if process is None:
            return None
        place = self._machine.place(instance.id, process, has_own_network=has_own_network)
        if place is not None:
            self._places[instance.id] = place
        return place

    def _percent(self, instance_id: InstanceId, reading: Reading) -> float | None:
        rate = self._rates.get(instance_id)
        if rate is None:
            self._rates[instance_id] = Rate(reading)
            return None
        return rate.of(reading)

    async def _read(self, places: Sequence[Place]) -> dict[InstanceId, Reading]:
        """Of those that live; whoever does not is forgotten."""
        found: dict[InstanceId, Reading] = {}
        loop = asyncio.get_running_loop()
        for start in range(0, len(places), BATCH):
            batch = places[start : start + BATCH]
            if len(places) <= INLINE:
                found |= self._read_batch(batch)
            else:
                found |= await loop.run_in_executor(self._pool, self._read_batch, batch)
        for place in places:
            if place.instance_id not in found:
                self._forget(place.instance_id)
        return found

    def _read_batch(self, places: Sequence[Place]) -> dict[InstanceId, Reading]:
        found = ((place.instance_id, self._machine.read(place)) for place in places)
        return {instance_id: reading for instance_id, reading in found if reading is not None}

    def _forget(self, instance_id: InstanceId) -> None:
        self._places.pop(instance_id, None)
        self._rates.pop(instance_id, None)
