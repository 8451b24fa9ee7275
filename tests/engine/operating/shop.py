"""An executor to give single actions to."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ring.core.model.operations import Result, StartInstance
from ring.core.plan.view import Limits
from ring.engine.inputs import Inputs
from ring.engine.journal import Journal
from ring.engine.observing.observer import Observer
from ring.engine.operating.admission import Admission
from ring.engine.operating.executor import RuntimeExecutor
from ring.engine.operating.resolving import Resolver
from ring.engine.operating.starting import Starter
from ring.engine.operating.warnings import Warnings

if TYPE_CHECKING:
    from ring.core.model.deployment import Deployment
    from ring.core.model.ids import InstanceName
    from ring.core.model.observed import Instance
    from tests.engine.bench import Bench

GIB = 1 << 30


class Shop:
    """An executor on a bench."""

    def __init__(self, bench: Bench, *, memory_bytes: int = GIB) -> None:
        self.bench = bench
        self.journal = Journal(bench.store)
        self.observer = Observer(
            bench.runtime,
            bench.store,
            bench.clock,
            self.journal,
            interval_s=10.0,
            changed=lambda _: None,
            resynced=lambda *_: None,
            jitter=lambda: 1.0,
        )
        self.executor = RuntimeExecutor(
            bench.store,
            {"docker": bench.runtime},
            {"docker": self.observer},
            Starter(
                bench.store.server_id,
                bench.clock,
                Admission(lambda: memory_bytes),
                resolver=Resolver(bench.store, Inputs()),
                files=bench.files,
                journal=self.journal,
                warnings=Warnings(self.journal, bench.store.was_told),
                limits=Limits(apply_timeout_s=60.0),
                host_ip_of={"media": "127.0.0.1"}.get,
            ),
        )

    async def start(
        self, row: Deployment, name: InstanceName | None = None, *, resume: bool = False
    ) -> Result:
        action = StartInstance(row.id, name or self.bench.name(), resume=resume)
        return await self.executor.prepare(action) or await self.executor.run(action)

    def noted(self, row: Deployment) -> tuple[Instance, ...]:
        return self.observer.instances(row.id)
