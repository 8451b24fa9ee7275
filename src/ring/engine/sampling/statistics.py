"""What deployments take of the machine: a snapshot of all that run, and a look at one.

The snapshot is made now and then, and never because somebody asks for it.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Protocol

from ring.core.errors import NotFound
from ring.core.model.observed import State
from ring.core.model.status import Status
from ring.core.model.usage import Measured, Snapshot, Taken, total
from ring.engine.sampling.machine import Machine
from ring.engine.sampling.sampler import Sampler
from ring.runtimes import base

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

    from ring.clock import Clock
    from ring.core.model.deployment import Deployment
    from ring.core.model.ids import DeploymentId, InstanceId
    from ring.core.model.node import Node
    from ring.core.model.observed import Instance
    from ring.core.model.usage import Usage
    from ring.engine.sampling.machine import Place
    from ring.runtimes.registry import Registry
    from ring.store.store import Store

log = logging.getLogger(__name__)

DEPLOYMENT_S = 5.0
"""For an engine to say where a deployment's instances are: who takes longer is left out once."""
FIRST_S = 1.0
"""After the start; what runs already has been listed by then."""


class Known(Protocol):
    """What an observer knows of instances."""

    def instances(self, row: DeploymentId) -> tuple[Instance, ...]: ...


class Statistics:
    """Loop thread only; run() makes a snapshot every interval until cancelled."""

    def __init__(
        self,
        store: Store,
        runtimes: Registry,
        observers: Mapping[str, Known],
        clock: Clock,
        *,
        interval_s: float,
        machine: Machine | None = None,
    ) -> None:
        self._store = store
        self._runtimes = runtimes
        self._observers = observers
        self._clock = clock
        self._interval_s = interval_s
        self._machine = machine or Machine(clock.mono)
        self._sampler = Sampler(self._machine)
        self._snapshot = Snapshot()

    @property
    def snapshot(self) -> Snapshot:
        """The last one. It never changes; the next is another."""
        return self._snapshot

    async def run(self, refreshed: Callable[[], Awaitable[None]] | None = None) -> None:
        """refreshed: is waited for after each snapshot."""
        await asyncio.sleep(min(FIRST_S, self._interval_s))
        while True:
            await self.refresh()
            if refreshed is not None:
                await refreshed()
            await asyncio.sleep(self._interval_s)

    def close(self) -> None:
        self._sampler.close()

    async def refresh(self) -> None:
        """Looks at every running deployment, and replaces the snapshot."""
        held = [(row, self._instances(row)) for row in self._store.deployments()]
        self._sampler.forget_all_but(one.id for _, instances in held for one in instances)
        sources = {name: source for name in self._runtimes if (source := self._source(name))}
        found: list[tuple[Deployment, Sequence[Place]]] = []
        unknown: list[Deployment] = []
        for row, instances in held:
            if row.status is not Status.RUNNING or row.spec.runtime not in sources:
                continue
            places = self._sampler.known(instances)
            if places is None:
                unknown.append(row)
            else:
                found.append((row, places))
        if unknown:
            found += await asyncio.gather(*(self._sought(row) for row in unknown))
        usages = await self._sampler.take([place for _, places in found for place in places])
        taken = [_taken(row, places, usages) for row, places in found]
        self._snapshot = Snapshot(self._clock.wall(), tuple(one for one in taken if one))

    def node(self) -> Node:
        """The machine now."""
        return self._machine.node()

    async def live(self, row: Deployment) -> tuple[Measured, ...]:
        """The row's running instances now, oldest first; one that cannot be measured is left out.

        Waits at most DEPLOYMENT_S and a little. Raises NotFound where its runtime is not driven.
        """
        if row.spec.runtime not in self._runtimes:
            raise NotFound(f"Runtime '{row.spec.runtime}' is not registered")
        instances = self._instances(row)
        places = await self._found(row, instances)
        usages = dict(await self._sampler.take(places))
        lost = {place.instance_id for place in places} - usages.keys()
        if lost:  # started again since it was found, or ended
            again = await self._found(row, [one for one in instances if one.id in lost])
            usages |= await self._sampler.take(again)
        return tuple(
            Measured(one.id, one.name, usages[one.id]) for one in instances if one.id in usages
        )

    def _instances(self, row: Deployment) -> tuple[Instance, ...]:
        observer = self._observers.get(row.spec.runtime)
        known = observer.instances(row.id) if observer is not None else ()
        return tuple(one for one in known if one.state is State.RUNNING)

    def _source(self, name: str) -> base.Samples | None:
        """The runtime of this name, if its instances can be looked at here."""
        runtime = self._runtimes.get(name)
        if runtime is None or not runtime.capabilities().cpu_stats:
            return None
        return runtime if isinstance(runtime, base.Samples) else None

    async def _sought(self, row: Deployment) -> tuple[Deployment, Sequence[Place]]:
        return row, await self._found(row, self._instances(row))

    async def _found(self, row: Deployment, instances: Sequence[Instance]) -> Sequence[Place]:
        source = self._source(row.spec.runtime)
        if source is None:
            return ()
        try:
            async with asyncio.timeout(DEPLOYMENT_S):
                return await self._sampler.find(
                    source,
                    instances,
                    has_own_network=row.spec.network_mode != "host",
                )
        except TimeoutError:
            log.warning(
                "deployment %s is left out of the statistics: the engine does not say within "
                "%g s where its instances are",
                row.id,
                DEPLOYMENT_S,
            )
            return ()


def _taken(
    row: Deployment, places: Sequence[Place], usages: Mapping[InstanceId, Usage]
) -> Taken | None:
    """None: nothing of it could be measured."""
    found = [usages[place.instance_id] for place in places if place.instance_id in usages]
    if not found:
        return None
    spec = row.spec
    return Taken(row.id, spec.name, spec.namespace, spec.runtime, len(found), total(found))
