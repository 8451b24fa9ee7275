"""What must hold after every step, on the database and on the engine. One function for each."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from ring.core.model.failures import FailureClass
from ring.core.model.ledger import Phase
from ring.core.model.observed import Unknown
from ring.core.model.operations import StartFailed, StartInstance
from ring.core.model.status import CREATING, FINAL, Status
from ring.core.plan.restart import NEVER_EXECUTED, budget
from ring.runtimes.base import Died

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from ring.core.model.deployment import Deployment
    from ring.core.model.events import EventDraft
    from ring.core.model.ids import DeploymentId, InstanceId, InstanceName
    from ring.core.model.ledger import Entry
    from ring.core.plan.view import Now, Plan, View
    from ring.runtimes.base import RuntimeEvent
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
        self.unseen: set[InstanceId] = set()
        """Died while no server ran or none could ask the engine: never counted."""
        self.intended: set[InstanceId] = set()
        """Died after Ring had durably decided to end them: never a crash, never told."""
        self.highest: dict[DeploymentId, int] = {}
        """The largest target since the row had last no more than it should have."""
        self.writes = 0
        self.found: Violation | None = None
        self.jumps: dict[tuple[DeploymentId, datetime | None], int] = {}
        """How often the wall clock had jumped when a row's wait was written."""
        self._state: object = None
        """Of database and engine, when it was looked at last."""
        self._pending: tuple[View, Now, Plan] | None = None

    # the outside
    def happened(self, event: RuntimeEvent) -> None:
        """Ground truth about a death, at the moment of it."""
        if not isinstance(event, Died):
            return
        world = self.world
        if world.server is None or world.engine.away:
            self.unseen.add(event.instance_id)
        row = world.store.deployment(event.deployment_id)
        for entry in world.store.ledger(row.key).values() if row is not None else ():
            is_it = entry.instance_id == event.instance_id or entry.name == event.name
            if is_it and entry.phase is Phase.STOPPING:
                self.intended.add(event.instance_id)

    def recorded(self, events: Sequence[EventDraft]) -> None:
        """Events that no plan wrote have become durable."""
        self.writes += len(events)
        quiet = {instance_id[:12] for instance_id in self.intended}
        for event in events:
            if event.reason in {"container_died", "container_oom"}:
                told = event.message.removeprefix("Instance ")[:12]
                self._note(told not in quiet, f"6: {event.reason} told of {told}, ended by Ring")

    def _note(self, holds: bool, what: str) -> None:
        """As require, raised after the step: whoever writes may outlive its errors."""
        if not holds:
            self.found = self.found or Violation(what)

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
        self._never_executed(view, made)

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
        if grown:
            self._growth(view, before, after)
        elif after.restart_count < before.restart_count:
            self._forgiven(view, before, after)

    def _forgiven(self, view: View, before: Deployment, after: Deployment) -> None:
        assert self._pending is not None
        _, now, made = self._pending
        require(after.restart_count == 0, "5: restart_count was lowered, not reset")
        told = [e for e in made.events if e.deployment_id == before.id]
        require(
            any(event.reason == "restart_count_reset" for event in told),
            "5: restart_count was reset without a word",
        )
        since = view.memory.healthy_since.get(before.id, now.mono)
        require(
            now.mono - since >= view.limits.forgive_after_s,
            f"5: forgiven after {now.mono - since:.2f} s",
        )

    def _growth(self, view: View, before: Deployment, after: Deployment) -> None:
        failed = any(
            isinstance(o.result, StartFailed)
            and o.action.deployment_id == before.id
            and o.result.failure.kind is not FailureClass.CANCELLED
            and o.result.inputs is None  # what is missing costs nothing
            for o in view.outcomes
        )
        made = self._pending[2] if self._pending else None
        seen = view.runtimes[before.spec.runtime].seen
        instances = {} if isinstance(seen, Unknown) else seen.instances
        newly = [
            entry
            for entry in (made.put_entries if made else ())
            if entry.deployment_id == before.id
            and entry.phase is Phase.COUNTED
            and entry.instance_id not in self.counted | self.unseen | self.intended
            and (instance := instances.get(entry.name)) is not None
            and instance.exit is not None
            and instance.exit.code != 0
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

    def _never_executed(self, view: View, made: Plan) -> None:
        """A program that cannot be executed is not tried again."""
        after = {row.id: row for row in view.rows}
        after |= {change.after.id: change.after for change in made.rows}
        for entry in made.put_entries:
            known = view.ledger.get(entry.name)
            if entry.phase is not Phase.COUNTED or known is None or known.phase not in JUDGED:
                continue
            row = after.get(entry.deployment_id)
            seen = view.runtimes["docker"].seen
            instance = None if isinstance(seen, Unknown) else seen.instances.get(entry.name)
            end = instance.exit if instance is not None else None
            if end is not None and end.code in NEVER_EXECUTED and not (end.oom or end.missed):
                require(
                    row is not None and row.halt_reason is not None,
                    f"8: exit {end.code} and the row goes on",
                )

    # durable
    def committed(self, made: Plan) -> None:
        """Judges what has just become durable."""
        try:
            self._judge_commit(made)
        except Violation as violation:
            self.found = self.found or violation

    def _judge_commit(self, made: Plan) -> None:
        self.writes += made.writes
        store = self.world.store
        followed = self._followed_names(made)
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
            if entry.phase is Phase.COUNTED and entry.name not in followed:
                self._counted_once(entry.instance_id)
        for change in made.rows:
            if change.after.status is Status.RUNNING and change.before.status is not Status.RUNNING:
                self._runs(change.after)
        for row in made.purge:
            self._purged(row)

    def _followed_names(self, made: Plan) -> set[InstanceName]:
        """Entries that were there already, for instances that have another name by now."""
        assert self._pending is not None
        before = {e.instance_id: e for e in self._pending[0].ledger.values()}
        return {
            entry.name
            for entry in made.put_entries
            if entry.instance_id is not None
            and (known := before.get(entry.instance_id)) is not None
            and known.name != entry.name
            and known.phase is entry.phase
        }

    def _counted_once(self, instance: InstanceId | None) -> None:
        if instance is None:
            return
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
        state = (self.world.writes, self.world.engine.requests, len(self.world.engine.containers))
        if state == self._state:
            return
        self._state = state
        self._one_root()
        self._no_more_than_wanted()
        self._all_accounted_for()
        self._generations_apart()
        self._foreign_untouched()

    def _one_root(self) -> None:
        for key in self.world.store.groups():
            active = [r for r in self.world.store.rows(key) if not r.is_deleted]
            require(len(active) <= 1, f"16: {len(active)} active rows of {key}")

    def _no_more_than_wanted(self) -> None:
        """Of a name that was announced there is one at most, so what is announced bounds it."""
        for row in self.world.store.deployments():
            entries = self._entries(row)
            present = sum(entry.phase in PRESENT for entry in entries)
            most = max(self.highest.get(row.id, 0), row.target)
            require(present <= most, f"1: {present} instances for a target of {most}")
            self.highest[row.id] = row.target if present <= row.target else most

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
            require(not ours or one.name in self.late, f"24: nobody remembers {one.name}")

    def _entries(self, row: Deployment) -> list[Entry]:
        ledger = self.world.store.ledger(row.key)
        return [entry for entry in ledger.values() if entry.deployment_id == row.id]

    def _generations_apart(self) -> None:
        owners: dict[str, set[DeploymentId]] = {}
        for container in self.world.engine.containers.values():
            instance = container.instance
            if instance.name in self.late or instance.id in self.world.foreign:
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
    def unsettled(self, *, but: str) -> str | None:
        """A deployment (not this one) that is not where it is to be."""
        for row in self.world.store.deployments():
            if row.spec.name == but:
                continue
            live = self._live(row)
            suspended = row.halt_reason is not None or row.status in FINAL
            whole = len(live) == row.target and row.status is Status.RUNNING
            if row.is_deleted or not (suspended or whole):
                return row.spec.name
        return None

    def _live(self, row: Deployment) -> list[InstanceName]:
        return [
            c.instance.name
            for c in self.world.engine.containers.values()
            if c.instance.deployment_id == row.id and c.instance.is_live
        ]

    def settled(self) -> None:
        """The fixed point: what is wanted is there, nothing else is, and the ledger says so."""
        store = self.world.store
        engine = self.world.engine
        for row in store.deployments():
            require(not row.is_deleted, f"25: {row.id} was not purged")
            live = self._live(row)
            suspended = row.halt_reason is not None or row.status in FINAL
            if not suspended:
                require(
                    len(live) == row.target and row.status is Status.RUNNING,
                    f"22: {row.spec.name} is {row.status} with {len(live)} of {row.target}",
                )
            detached = [
                c.instance.name
                for c in engine.containers.values()
                if c.instance.deployment_id == row.id
                and c.instance.is_live
                and not c.instance.is_attached
            ]
            require(not detached, f"22: {detached} are not on their network")
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
