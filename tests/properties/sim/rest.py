"""The fixed point: what must be so when faults have stopped for a while."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ring.core.model.status import FINAL, Status
from tests.properties.sim.violation import require

if TYPE_CHECKING:
    from ring.core.model.deployment import Deployment
    from ring.core.model.ids import InstanceName
    from tests.properties.sim.world import World

STATUSES = """SELECT deployment_id, payload FROM event WHERE kind = 'deployment.status_changed'
 AND deployment_id IN (SELECT id FROM deployment) ORDER BY rowid"""


@dataclass(slots=True)
class Rest:
    world: World

    def unsettled(self, *, but: str) -> str | None:
        """A deployment (not this one) that is not where it is to be."""
        for row in self.world.store.deployments():
            if row.spec.name != but and (row.is_deleted or self._unfinished(row)):
                return row.spec.name
        return None

    def _unfinished(self, row: Deployment) -> str | None:
        """What is still to be done for a row that is not deleted."""
        live = len(self._live(row))
        if self._is_over(row):
            return None
        if row.parent_id is not None and not row.stopped:  # what is stopped pauses
            return f"{row.spec.name} still rolls: {row.status} with {live} of {row.target}"
        stopped = row.stopped and row.status is Status.CRASH_LOOP_BACK_OFF
        if live != row.target or (row.status is not Status.RUNNING and not stopped):
            return f"{row.spec.name} is {row.status} with {live} of {row.target}"
        return None

    def _is_over(self, row: Deployment) -> bool:
        return row.halt_reason is not None or row.status in FINAL

    def _live(self, row: Deployment) -> list[InstanceName]:
        return [
            c.instance.name
            for c in self.world.engine.containers.values()
            if c.instance.deployment_id == row.id and c.instance.is_live
        ]

    def settled(self) -> None:
        """What is wanted is there, nothing else is, and the ledger says so."""
        rows = self.world.store.deployments()
        for row in rows:
            require(not row.is_deleted, f"25: {row.id} was not purged")
            unfinished = self._unfinished(row)
            require(unfinished is None, f"22: {unfinished}")
            self._attached(row)
            self._same_names(row)
            self._drained_for_nobody(row, rows)
            self._failed_once(row)
        known = {row.id for row in rows}
        left = [
            c.instance.name
            for c in self.world.engine.containers.values()
            if c.instance.deployment_id not in known and c.instance.id not in self.world.foreign
        ]
        require(not left, f"3: {left} belong to purged rows")
        self._statuses_told()

    def _attached(self, row: Deployment) -> None:
        detached = [
            c.instance.name
            for c in self.world.engine.containers.values()
            if c.instance.deployment_id == row.id
            and c.instance.is_live
            and not c.instance.is_attached
        ]
        require(not detached, f"22: {detached} are not on their network")

    def _same_names(self, row: Deployment) -> None:
        names = {
            c.instance.name
            for c in self.world.engine.containers.values()
            if c.instance.deployment_id == row.id
        }
        ledger = self.world.store.ledger(row.key)
        entries = {n for n, e in ledger.items() if e.deployment_id == row.id}
        require(names == entries, f"24: engine {names} and ledger {entries} differ")

    def _drained_for_nobody(self, row: Deployment, rows: tuple[Deployment, ...]) -> None:
        """14: nobody rolls any more but what is stopped, so every parent is whole again."""
        is_paused = any(other.parent_id == row.id and other.stopped for other in rows)
        require(
            row.drain_target is None or is_paused,
            f"14: {row.spec.name} stays at {row.drain_target}",
        )
        if row.parent_id is not None:
            parents = [other for other in rows if other.id == row.parent_id]
            require(bool(parents), f"8.3: {row.id} is the child of nobody")

    def _failed_once(self, row: Deployment) -> None:
        """8.4: a child that has ended has told so, once."""
        if row.parent_id is not None and self._is_over(row) and row.status is not Status.COMPLETED:
            told = self.world.watch.rollouts.told[row.id, "rolling_update_failed"]
            require(told == 1, f"8.4: a rollout failed and was told {told} times")

    def _statuses_told(self) -> None:
        """18: every change is told once, from where the one before led."""
        at: dict[str, str] = {}
        for deployment_id, payload in self.world.told_statuses(STATUSES):
            body = json.loads(payload)
            before = at.get(deployment_id, Status.CREATING.value)
            require(
                body["old_status"] == before and body["new_status"] != before,
                f"18: {body['old_status']} → {body['new_status']} is told after {before}",
            )
            at[deployment_id] = body["new_status"]
        for row in self.world.store.deployments():
            told = at.get(row.id, Status.CREATING.value)
            require(told == row.status.value, f"18: told {told}, and it is {row.status}")
