"""What must hold after every step, on the database and on the engine. One function for each."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from ring.core.model.failures import FailureClass
from ring.core.model.ledger import Phase
from ring.core.model.observed import Unknown
from ring.core.model.operations import StartFailed, StartInstance
from ring.core.model.status import CREATING, FINAL, Status
from ring.core.plan.restart import budget

if TYPE_CHECKING:
    from datetime import datetime

    from ring.core.model.deployment import Deployment
    from ring.core.model.ids import DeploymentId, InstanceId, InstanceName
    from ring.core.plan.view import Now, Plan, View
    from tests.properties.sim.world import World

PRESENT = {Phase.CREATING, Phase.SETTLING, Phase.LIVE}
JUDGED = {Phase.SETTLING, Phase.LIVE}


class Violation(AssertionError):
    """An invariant does not hold."""


def require(holds: bool, what: str) -> None:
    if not holds:
        raise Violation(what)


class Watch:
    """Sees every plan, every commit and every request, and remembers what it needs to judge."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.counted: set[InstanceId] = set()
        self.purged: set[DeploymentId] = set()
        self.late: set[InstanceName] = set()
        """Names whose create was carried out for a process that was dead already."""
        self.writes = 0
        self.found: Violation | None = None
        self.jumps: dict[tuple[DeploymentId, datetime | None], int] = {}
        """How often the wall clock had jumped when a row's wait was written."""
        self._pending: tuple[View, Now, Plan] | None = None

    # planning
    def planned(self, view: View, now: Now, made: Plan) -> None:
        """Judges a plan; what it finds is raised after the step (a pass outlives its errors)."""
        self._pending = (view, now, made)
        try:
            self._judge_plan(view, now, made)
        except Violation as violation:
            self.found = self.found or violation

    def _judge_plan(self, view: View, now: Now, made: Plan) -> None:
        for row in view.rows:
            runtime = view.runtimes[row.spec.runtime]
            if isinstance(runtime.seen, Unknown):
                self._unknown_changes_nothing(row, made)
        for change in made.rows:
            if change.after.next_create_at != change.before.next_create_at:
                waits_until = change.after.next_create_at
                self.jumps[change.after.id, waits_until] = self.world.clock.jumps
            self._row_change(view, change.before, change.after)
        names = {row.id: row for row in view.rows} | {c.after.id: c.after for c in made.rows}
        for action in made.actions:
            if isinstance(action, StartInstance):
                self._may_start(names[action.deployment_id], now)

    def _unknown_changes_nothing(self, row: Deployment, made: Plan) -> None:
        require(
            all(change.before.id != row.id for change in made.rows)
            and all(entry.deployment_id != row.id for entry in made.put_entries)
            and all(action.deployment_id != row.id for action in made.actions),
            f"4: a row of an unreachable runtime was changed: {row.id}",
        )

    def _row_change(self, view: View, before: Deployment, after: Deployment) -> None:
        require(before.spec == after.spec, "19: the engine wrote replicas")
        require(not before.is_deleted, "3: a deleted row was changed")
        if before.was_running:
            require(
                after.status not in CREATING,
                f"10: {before.status} → {after.status} after it had been running",
            )
        limit = budget(after.target)
        grown = after.restart_count > before.restart_count
        if grown and after.target and after.restart_count >= limit and not after.halt_reason:
            require(
                after.status is Status.CRASH_LOOP_BACK_OFF or after.status in FINAL,
                f"7: {after.restart_count} failures of {limit} and {after.status}",
            )
        if after.restart_count > before.restart_count:
            self._growth(view, before, after)

    def _growth(self, view: View, before: Deployment, after: Deployment) -> None:
        failed = any(
            isinstance(o.result, StartFailed)
            and o.action.deployment_id == before.id
            and o.result.failure.kind is not FailureClass.CANCELLED
            for o in view.outcomes
        )
        made = self._pending[2] if self._pending else None
        newly = [
            entry
            for entry in (made.put_entries if made else ())
            if entry.deployment_id == before.id
            and entry.phase is Phase.COUNTED
            and view.ledger.get(entry.name) is not None
            and view.ledger[entry.name].phase is not Phase.COUNTED
        ]
        grown = after.restart_count - before.restart_count
        require(
            grown <= len(newly) + (1 if failed else 0),
            f"5: restart_count grew by {grown} for {len(newly)} deaths, create failed: {failed}",
        )

    def _may_start(self, row: Deployment, now: Now) -> None:
        require(not row.is_deleted, "2: create for a deleted row")
        require(row.halt_reason is None, "2: create for a halted row")
        require(row.status not in FINAL, f"2: create for a row that is {row.status}")
        jumps = self.jumps.get((row.id, row.next_create_at))
        if row.next_create_at is not None and self.world.clock.jumps == jumps:
            ahead = (row.next_create_at - now.wall).total_seconds()
            require(ahead <= 0.01, f"2: create {ahead:.2f} s before the end of its wait")

    # durable
    def committed(self, made: Plan) -> None:
        """Judges what has just become durable."""
        try:
            self._judge_commit(made)
        except Violation as violation:
            self.found = self.found or violation

    def _judge_commit(self, made: Plan) -> None:
        self.writes += bool(made.rows or made.purge or made.put_entries or made.drop_entries)
        store = self.world.store
        for entry in made.put_entries:
            row = store.deployment(entry.deployment_id)
            require(row is not None, "an entry of a row that is not there")
            assert row is not None
            if entry.phase is Phase.CREATING:
                present = [
                    e
                    for e in store.ledger(row.key).values()
                    if e.deployment_id == row.id and e.phase in PRESENT
                ]
                require(
                    len(present) <= row.target,
                    f"1: {len(present)} instances wanted for a target of {row.target}",
                )
            if entry.phase is Phase.COUNTED and entry.instance_id is not None:
                self._counted_once(entry.instance_id)
        for change in made.rows:
            if change.after.status is Status.RUNNING and change.before.status is not Status.RUNNING:
                self._runs(change.after)
        for row in made.purge:
            self._purged(row)

    def _counted_once(self, instance: InstanceId) -> None:
        require(instance not in self.counted, f"5: {instance[-6:]} was judged twice")
        self.counted.add(instance)

    def _runs(self, row: Deployment) -> None:
        if row.target == 0:
            return
        entries = [
            e
            for e in self.world.store.ledger(row.key).values()
            if e.deployment_id == row.id and e.phase is Phase.LIVE
        ]
        engine = self.world.engine
        settle = timedelta(seconds=0.29)
        since: list[datetime] = [
            c.up_since
            for e in entries
            if e.instance_id is not None
            and (c := engine.containers.get(e.instance_id)) is not None
            and c.up_since is not None
        ]
        skewed = self.world.clock.jumps > 0
        require(bool(entries), "9: running without a confirmed instance")
        removed = any(e.instance_id not in engine.containers for e in entries)
        require(
            skewed or removed or any(at + settle <= engine.wall() for at in since),
            "9: running before the settle delay",
        )

    def _purged(self, row: Deployment) -> None:
        self.purged.add(row.id)
        left = [
            c.instance.name
            for c in self.world.engine.containers.values()
            if c.instance.deployment_id == row.id and c.instance.name not in self.late
        ]
        require(not left, f"3: purged with {left} left on the engine")

    # requests
    def before_create(self, name: InstanceName) -> None:
        """A create reaches the engine: its ledger entry is durable."""
        for key in self.world.store.groups():
            if name in self.world.store.ledger(key):
                return
        raise Violation(f"27: {name} is created without a durable ledger entry")

    # after every step
    def after_step(self) -> None:
        if self.found is not None:
            raise self.found
        self._one_root()
        self._generations_apart()
        self._foreign_untouched()

    def _one_root(self) -> None:
        for key in self.world.store.groups():
            active = [r for r in self.world.store.rows(key) if not r.is_deleted]
            require(len(active) <= 1, f"16: {len(active)} active rows of {key}")

    def _generations_apart(self) -> None:
        owners: dict[str, set[DeploymentId]] = {}
        for container in self.world.engine.containers.values():
            instance = container.instance
            if instance.name in self.late or instance.server_id != self.world.store.server_id:
                continue
            owners.setdefault(container.spec.name, set()).add(instance.deployment_id)
        for name, rows in owners.items():
            require(len(rows) <= 1, f"17: instances of {len(rows)} generations of {name}")

    def _foreign_untouched(self) -> None:
        for instance_id in self.world.foreign:
            container = self.world.engine.containers.get(instance_id)
            require(
                container is not None and container.instance.is_live,
                "20: an instance of an unknown deployment was touched",
            )

    # when faults have stopped
    def settled(self) -> None:
        """The fixed point: what is wanted is there, nothing else is, and the ledger says so."""
        store = self.world.store
        engine = self.world.engine
        for row in store.deployments():
            require(not row.is_deleted, f"25: {row.id} was not purged")
            live = [
                c.instance.name
                for c in engine.containers.values()
                if c.instance.deployment_id == row.id and c.instance.is_live
            ]
            suspended = row.halt_reason is not None or row.status in FINAL
            if not suspended:
                require(
                    len(live) == row.target and row.status is Status.RUNNING,
                    f"22: {row.spec.name} is {row.status} with {len(live)} of {row.target}",
                )
            names = {
                c.instance.name
                for c in engine.containers.values()
                if c.instance.deployment_id == row.id
            }
            ledger = {n for n, e in store.ledger(row.key).items() if e.deployment_id == row.id}
            require(names == ledger, f"24: engine {names} and ledger {ledger} differ")
        known = {row.id for row in store.deployments()}
        left = [
            c.instance.name
            for c in engine.containers.values()
            if c.instance.deployment_id not in known and c.instance.id not in self.world.foreign
        ]
        require(not left, f"3: {left} belong to purged rows")
