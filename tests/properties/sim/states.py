"""Invariants of every state, on the database and on the engine."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ring.core.model.ledger import Phase
from tests.properties.sim.violation import require

if TYPE_CHECKING:
    from ring.core.model.deployment import Deployment
    from ring.core.model.ids import DeploymentId, GroupKey
    from tests.properties.sim.world import World

PRESENT = {Phase.CREATING, Phase.SETTLING, Phase.LIVE}


@dataclass(slots=True)
class States:
    world: World
    highest: dict[DeploymentId, int] = field(default_factory=dict)
    """The largest target since the row had last no more than it should have."""
    judged: dict[GroupKey, tuple[Deployment, ...]] = field(default_factory=dict)
    """Rows that have been looked at as they are."""
    rolled: dict[DeploymentId, bool] = field(default_factory=dict)
    """Whether a row had a parent when it was first seen."""

    def hold(self) -> None:
        self._one_root()
        self._no_more_than_wanted()
        self._all_accounted_for()
        self._generations_apart()
        self._foreign_untouched()

    def _one_root(self) -> None:
        """16: and no chain of parents."""
        for key in self.world.store.groups():
            rows = self.world.store.rows(key)
            if self.judged.get(key) is rows:
                continue
            self.judged[key] = rows
            active = {r.id: r for r in rows if not r.is_deleted}
            children = {r.id for r in active.values() if r.parent_id in active}
            require(len(active) <= 2, f"16: {len(active)} active rows of {key}")
            require(len(active) - len(children) <= 1, f"16: several active roots of {key}")
            middle = {active[one].parent_id for one in children} & children
            require(not middle, f"16: a chain in {key}")

    def _no_more_than_wanted(self) -> None:
        """Of a name that was announced there is one at most, so what is announced bounds it."""
        for key in self.world.store.groups():
            ledger = self.world.store.ledger(key).values()
            counts = Counter(e.deployment_id for e in ledger if e.phase in PRESENT)
            for row in self.world.store.rows(key):
                present, target = counts[row.id], row.target
                most = max(self.highest.get(row.id, 0), target)
                require(present <= most, f"1: {present} instances for a target of {most}")
                self.highest[row.id] = target if present <= target else most

    def _all_accounted_for(self) -> None:
        """Whatever lives for a row of ours is in its ledger, also under another name."""
        world = self.world
        entries = world.entries()
        known = {entry.name for entry in entries} | {entry.instance_id for entry in entries}
        for container in world.engine.containers.values():
            one = container.instance
            if not one.is_live or one.name in known or one.id in known:
                continue
            ours = world.store.deployment(one.deployment_id) is not None
            require(
                not ours or one.name in self.world.watch.late, f"24: nobody remembers {one.name}"
            )

    def _generations_apart(self) -> None:
        """17: what replaces at once has nothing while anything older of its group is left."""
        for row in self.world.store.deployments():
            self.rolled.setdefault(row.id, row.parent_id is not None)
        owners: dict[str, set[DeploymentId]] = {}
        for container in self.world.engine.containers.values():
            instance = container.instance
            if instance.name in self.world.watch.late or instance.id in self.world.foreign:
                continue
            owners.setdefault(container.spec.name, set()).add(instance.deployment_id)
        for name, rows in owners.items():
            if len(rows) > 1:
                self._apart(name, rows)

    def _apart(self, name: str, owners: set[DeploymentId]) -> None:
        rows = [r.id for r in self.world.store.deployments() if r.spec.name == name]
        ordered = sorted(owners, key=lambda one: rows.index(one) if one in rows else -1)
        for number, owner in enumerate(ordered):
            require(
                number == 0 or self.rolled.get(owner, False),
                f"17: {owner} of {name} and older ones have instances at once",
            )

    def _foreign_untouched(self) -> None:
        for instance_id in self.world.foreign:
            container = self.world.engine.containers.get(instance_id)
            require(
                container is not None and container.instance.is_live,
                "20: an instance of an unknown deployment was touched",
            )
