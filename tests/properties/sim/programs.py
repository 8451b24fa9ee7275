"""What runs in the instances: when it ends by itself, what it answers to probes, what it takes."""

from __future__ import annotations

import asyncio
import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ring.core.model.quantities import parse_duration
from ring.engine.probing.probed import LATE, Probed, failed, passed
from ring.runtimes.base import CameUp

if TYPE_CHECKING:
    from collections.abc import Collection

    from ring.core.model.deployment import Deployment
    from ring.core.model.ids import InstanceId
    from ring.core.model.observed import Instance
    from ring.core.model.spec import HealthCheck
    from ring.runtimes.base import RuntimeEvent
    from tests.properties.sim.world import World

MIB = 1024 * 1024
ENDS = {
    "crash:1": (1, 0.0),
    "late:1": (1, 5.0),
    "once:1": (0, 0.0),
    "three:1": (3, 0.0),
    "absent:1": (127, 0.0),
}
"""Exit code, and how many seconds after its start."""
SURVIVES = 0.1
"""The share of starts after which one of these stays up all the same."""
FADES_S = 5.0
"""For so long after its start a fading one is healthy."""
BY_IMAGE = {"sick:1": "sick", "fading:1": "fading"}
MANNERS = ("healthy", "sick", "flapping", "hanging", "slow")


@dataclass(slots=True)
class Programs:
    """One for a world."""

    world: World
    manners: dict[InstanceId, str] = field(default_factory=dict)
    """How a program answers, where it is not as its image would."""
    cpu: dict[str, float | None] = field(default_factory=dict)
    """Per cent of a core that each instance of a deployment takes; None: cannot be measured."""
    last_pid: int = 0
    """Of what has begun: an instance that goes on after a pause comes up again too."""
    begun: dict[InstanceId, float] = field(default_factory=dict)
    free_bytes: int = 1 << 40
    are_decided: bool = False
    """Faults have stopped: whoever is sick stays so, and only where that comes to an end."""

    # ends
    def happened(self, event: RuntimeEvent) -> None:
        if not isinstance(event, CameUp):
            return
        container = self.world.engine.containers[event.instance_id]
        end = ENDS.get(container.spec.image)
        if container.pid <= self.last_pid:
            return
        self.last_pid = container.pid
        self.begun[event.instance_id] = self.world.loop.time()
        self.world.engine.write(event.instance_id, "up\n")
        if end is None or self.world.rng.random() < SURVIVES:
            return
        code, after_s = end
        up_since = container.up_since
        self.world.loop.call_later(after_s, self._end, event.instance_id, up_since, code)

    def _end(self, instance_id: InstanceId, up_since: object, code: int) -> None:
        container = self.world.engine.containers.get(instance_id)
        if container is None or container.up_since != up_since:
            return
        row = self.world.store.deployment(container.instance.deployment_id)
        if self.are_decided and row is not None and not row.is_job and row.parent_id is None:
            return  # a crash loop that is tried again and again would never come to rest
        self.world.engine.exit(instance_id, code)

    def forget_all_but(self, instances: Collection[InstanceId]) -> None:
        self.begun = {one: at for one, at in self.begun.items() if one in instances}
        self.manners = {one: how for one, how in self.manners.items() if one in instances}

    def is_stubborn(self, instance_id: InstanceId) -> bool:
        """It takes its whole grace to end."""
        container = self.world.engine.containers.get(instance_id)
        return container is not None and container.spec.stop_grace_period is not None

    # answers
    async def probe(self, row: Deployment, instance: Instance, check: HealthCheck) -> Probed:
        """Takes as long as the program lets it."""
        index = row.spec.health_checks.index(check)
        self.world.watch.probe_began(row, instance.id, index)
        timeout_s = parse_duration(check.timeout) / 1000
        manner = self._manner(row, instance.id)
        if manner == "hanging":
            await asyncio.sleep(timeout_s)
            return LATE
        if manner == "slow":
            await asyncio.sleep(timeout_s * 0.7)
        container = self.world.engine.containers.get(instance.id)
        if container is None or not container.instance.is_live or manner == "sick":
            return failed("it does not answer")
        age_s = self.world.loop.time() - self.begun.get(instance.id, 0.0)
        if manner == "fading" and age_s > FADES_S:
            return failed("it answers no more")
        if manner == "flapping" and self.world.rng.random() < 0.5:
            return failed("now and then it does not answer")
        return passed("it answers")

    def _manner(self, row: Deployment, instance_id: InstanceId) -> str:
        by_image = BY_IMAGE.get(row.spec.image, "healthy")
        if not self.are_decided:
            return self.manners.get(instance_id, by_image)
        stored = self.world.store.deployment(row.id)
        never_ends = any(check.on_failure != "stop" for check in row.spec.health_checks)
        if stored is not None and stored.was_running and never_ends:
            return "healthy"  # alerts and restarts for a sick one that serves would never end
        return by_image

    # what it takes
    def cpu_percent(self, name: str) -> float | None:
        if self.are_decided:
            return 50.0
        return self.cpu.get(name, 50.0)

    def misread(self) -> str:
        """Another load on one of them."""
        name = self.world.rng.choice(("web", "api"))
        percent = self.world.rng.choice((0.0, 45.0, 95.0, 95.0, math.nan, -1.0, None))
        self.cpu[name] = percent
        return f"{name} {percent}"
