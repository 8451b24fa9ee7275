"""What is kept of instances that have ended: of deployments that are there, and never too much."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ring.core.model.ids import GroupKey
from ring.core.model.logs import Allowance
from tests.properties.sim.violation import require

if TYPE_CHECKING:
    from tests.properties.sim.world import World

ALLOWANCE = Allowance(instances=3, size=600)
"""A program says one short line: about eight of them fit."""

_STORED = "SELECT namespace, name, count(*), sum(length(lines)) FROM last_words GROUP BY 1, 2"


class Words:
    """One for a world."""

    def __init__(self, world: World) -> None:
        self.world = world

    def hold(self) -> None:
        store = self.world.store
        groups = set(store.groups())
        total = 0
        for namespace, name, count, size in store._database._reader.execute(_STORED):
            total += size
            require(GroupKey(namespace, name) in groups, f"words of {name}, which is gone")
            require(count <= ALLOWANCE.instances, f"words of {count} instances of {name}")
        require(total <= ALLOWANCE.size, f"{total} bytes of words")
