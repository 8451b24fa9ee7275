"""The whole engine on a bench: started, stopped, killed."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from ring.core.plan.planner import plan
from ring.core.plan.view import Limits
from ring.engine.engine import Engine
from ring.engine.operating.admission import Admission
from tests.engine.bench import AUTHOR, Bench

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from ring.core.model.deployment import Deployment
    from ring.core.plan.view import NameSource, Now, Plan, View
    from ring.engine.probing.prober import Probe
    from ring.engine.reconciler import Passed
    from ring.engine.sampling.machine import Machine


class Plant:
    """A server's engine; what it stands on outlives it."""

    def __init__(
        self,
        bench: Bench,
        *,
        planner: Callable[[View, Now, NameSource], Plan] = plan,
        machine: Machine | None = None,
        passed: Passed | None = None,
        probe: Probe | None = None,
        introduced: Iterable[str] = (),
    ) -> None:
        self.bench = bench
        self._numbers = iter(range(1, 10_000))
        self._planner = planner
        self._machine = machine
        self._passed = passed
        self._probe = probe
        self._introduced = introduced
        self._stop = asyncio.Event()
        self._build()

    def _build(self) -> None:
        self.engine = Engine(
            self.bench.store,
            {"docker": self.bench.runtime},
            self.bench.clock,
            Limits(),
            files=self.bench.files,
            admission=Admission(lambda: 1 << 40),
            widths={"starts": 4, "stops": 4, "rest": 4},
            names=lambda: f"{next(self._numbers):08x}",
            planner=self._planner,
            jitter=lambda: 1.0,
            machine=self._machine,
            passed=self._passed,
            probe=self._probe,
            introduced=self._introduced,
        )

    async def start(self) -> asyncio.Task[None]:
        self._stop = asyncio.Event()
        task = self.bench.spawn(self.engine.run(self._stop))
        await self.bench.idle()
        return task

    async def stop(self, task: asyncio.Task[None]) -> float:
        """How many seconds it took."""
        began = self.bench.loop.time()
        self._stop.set()
        await task
        return self.bench.loop.time() - began

    async def kill(self, task: asyncio.Task[None]) -> None:
        """Nothing it remembered is left, and nothing of it runs on."""
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await self.bench.idle()
        self.bench.store = self.bench.store.reopen()
        self.bench.runtime = type(self.bench.runtime)(self.bench.engine)
        self._build()

    async def apply(self, *, if_changed: bool = False, **members: object) -> Deployment:
        row = await self.bench.accept(if_changed=if_changed, **members)
        self.engine.wake(row.key)
        await self.bench.idle()
        return row

    async def delete(self, row: Deployment) -> None:
        await self.bench.store.delete(row.id, AUTHOR)
        self.engine.wake(row.key)
        await self.bench.idle()
