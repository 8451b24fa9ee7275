"""Probes whose answers a test decides, and what it takes to watch them."""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict
from typing import TYPE_CHECKING

from ring.engine.probing.probed import Probed

if TYPE_CHECKING:
    from collections.abc import Callable

    from ring.core.model.deployment import Deployment
    from ring.core.model.observed import Instance
    from ring.core.model.spec import HealthCheck
    from tests.engine.bench import Bench

GREEN, RED, LATE = "success", "failed", "timeout"


class Probes:
    """Stands in for the real ones. By default everything is green at once."""

    def __init__(self, bench: Bench) -> None:
        self._bench = bench
        self.status: Callable[[str, Instance], str] = lambda _name, _instance: GREEN
        """By what the check is told apart by: its command, or its type."""
        self.takes_s: Callable[[str], float] = lambda _name: 0.0
        self.began: dict[str, list[float]] = defaultdict(list)
        self.in_flight: Counter[str] = Counter()
        """By deployment name."""
        self.most: Counter[str] = Counter()
        self.gave_up: list[str] = []

    async def __call__(self, row: Deployment, instance: Instance, check: HealthCheck) -> Probed:
        name = check.command if check.type == "command" else check.type
        self.began[name].append(self._bench.loop.time())
        self.in_flight[row.spec.name] += 1
        self.most[row.spec.name] = max(self.most[row.spec.name], self.in_flight[row.spec.name])
        try:
            if (seconds := self.takes_s(name)) > 0:
                await asyncio.sleep(seconds)
            status = self.status(name, instance)
            return Probed(status, f"{name} was {status}")
        except asyncio.CancelledError:
            self.gave_up.append(name)
            raise
        finally:
            self.in_flight[row.spec.name] -= 1


def check(command: str = "true", **members: object) -> dict[str, object]:
    """A command check, told apart by its command."""
    base = {"type": "command", "command": command, "interval": "1s", "timeout": "5s"}
    return {**base, "on_failure": "alert", **members}
