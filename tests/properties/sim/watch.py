"""Sees every plan, every commit and every request, and has each judged by the invariants.

A violation inside a pass would be logged by the engine as any other error: it is kept, and raised
after the step.
"""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from typing import TYPE_CHECKING

from ring.core.model.ledger import Phase
from ring.core.model.status import Status
from ring.runtimes.base import CameUp, Died
from tests.properties.sim.jobs import Jobs
from tests.properties.sim.manifests import SECRET_VALUES
from tests.properties.sim.plans import Plans
from tests.properties.sim.rollouts import PRESENT, Rollouts
from tests.properties.sim.scaled import Scaled
from tests.properties.sim.states import States
from tests.properties.sim.truth import Truth, has_run
from tests.properties.sim.violation import Violation, require
from tests.properties.sim.words import Words

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from ring.core.model.deployment import Deployment
    from ring.core.model.events import EventDraft
    from ring.core.model.ids import DeploymentId, InstanceId, InstanceName
    from ring.core.plan.view import Now, Plan, View
    from ring.runtimes.base import RuntimeEvent
    from tests.properties.sim.world import World

RESTLESS = 3000  # passes


class Watch:
    """What has to be remembered to judge, and the judges."""

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
        self.found: Violation | None = None
        self.reasons: Counter[str] = Counter()
        """Of all events that plans have made durable: what has happened at all."""
        self.last = ""
        """What was made durable last."""
        self.truth = Truth()
        self._counts: dict[tuple[InstanceId, int], bool] = {}
        """By check: whether its row had been running when its last probe began."""
        self.plans = Plans(world)
        self.rollouts = Rollouts(world)
        self.jobs = Jobs(world)
        self.scaled = Scaled(world)
        self.states = States(world)
        self.words = Words(world)
        self._passes = 0
        """Since the last step or look."""
        self._state: object = None
        """Of database and engine, when it was looked at last."""
        self._pending: tuple[View, Now, Plan] | None = None

    def note(self, holds: bool, what: str) -> None:
        """As require, raised after the step."""
        if not holds:
            self.found = self.found or Violation(what)

    def _judge(self, judge: Callable[[], None]) -> None:
        try:
            judge()
        except Violation as violation:
            self.found = self.found or violation

    # the outside
    def happened(self, event: RuntimeEvent) -> None:
        """Ground truth about an instance, at the moment of it."""
        if isinstance(event, CameUp):
            self._judge(lambda: self.jobs.came_up(event))
        elif isinstance(event, Died):
            self._died(event)

    def _died(self, event: Died) -> None:
        world = self.world
        if world.server is None or world.engine.away:
            self.unseen.add(event.instance_id)
        row = world.store.deployment(event.deployment_id)
        for entry in world.store.ledger(row.key).values() if row is not None else ():
            is_it = entry.instance_id == event.instance_id or entry.name == event.name
            if is_it and entry.phase is Phase.STOPPING:
                self.intended.add(event.instance_id)

    def probe_began(self, row: Deployment, instance_id: InstanceId, index: int) -> None:
        self._counts[instance_id, index] = has_run(row)

    def probed(self, instance_id: InstanceId, index: int, status: str) -> None:
        """A result that the engine took in."""
        key, now = (instance_id, index), self.world.loop.time()
        counts = self._counts.get(key, False)
        self.truth.told(key, status, now, counts=counts, jumps=self.world.clock.jumps)

    def fired(self, deployment_id: DeploymentId, instance_id: InstanceId, index: int) -> None:
        row = self.world.store.deployment(deployment_id)
        if row is not None:
            threshold = row.spec.health_checks[index].threshold
            self._judge(lambda: self.truth.fired((instance_id, index), threshold))

    def started(self) -> None:
        """A server process, on what is stored."""
        clock = self.world.clock
        saved = self.world.store.health_checks.states()
        self.truth.restarted(saved, clock.wall(), self.world.loop.time(), clock.jumps)

    def killed(self) -> None:
        self.truth.killed()

    def recorded(self, events: Sequence[EventDraft]) -> None:
        """Events that no plan wrote have become durable."""
        quiet = {instance_id[:12] for instance_id in self.intended}
        for event in events:
            self._tells_no_secret(event)
            if event.reason in {"container_died", "container_oom"}:
                told = event.message.removeprefix("Instance ")[:12]
                self.note(told not in quiet, f"6: {event.reason} told of {told}, ended by Ring")

    def _tells_no_secret(self, event: EventDraft) -> None:
        for value in SECRET_VALUES:
            self.note(value not in event.message, f"21: a secret in {event.message}")

    # planning
    def planned(self, view: View, now: Now, made: Plan) -> None:
        self._pending = (view, now, made)
        self._passes += 1
        if self._passes > RESTLESS:
            self.note(False, f"22: pass after pass over {view.key}: {dict(made.reasons)}")
            raise self.found or AssertionError
        self._judge(lambda: self.plans.planned(view, now, made))
        self._judge(lambda: self.rollouts.planned(view, now, made))
        self._judge(lambda: self.jobs.planned(view, made))
        self._judge(lambda: self._actions(view, made))

    def _actions(self, view: View, made: Plan) -> None:
        rows = {row.id: row for row in view.rows}
        for event in made.events:
            if event.reason.startswith("health_check_") or event.reason == "HealthCheckAlert":
                row = rows[event.deployment_id]
                require(row.was_running, f"11: {event.reason} for a {row.status} row")
        fired = {one.instance_id for one in view.fired}
        for event in made.events:
            if event.reason.startswith("health_check_"):
                require(event.instance_id in fired, f"12: {event.reason} out of nothing")

    # durable
    def committed(self, made: Plan) -> None:
        self._judge(lambda: self._judge_commit(made))

    def is_of_a_pass(self, made: Plan) -> bool:
        return self._pending is not None and self._pending[2] is made

    def _judge_commit(self, made: Plan) -> None:
        self.reasons.update(
            f"{event.component} {event.reason}" for event in made.events if event.component
        )
        for event in made.events:
            self._tells_no_secret(event)
        self.scaled.committed(made)
        if self._pending is None or not self.is_of_a_pass(made):
            return
        view, now, _ = self._pending
        told = ", ".join(event.reason for event in made.events)
        self.last = f"{view.key.name}: {told}; {'; '.join(made.reasons.values())}"
        self.truth.acted(one for one in view.fired if one.id in made.acted)
        self.rollouts.committed(view, now, made)
        self.jobs.committed(made)
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
            and known.phase is entry.phase
        }

    def _counted_once(self, instance: InstanceId | None) -> None:
        if instance is None:
            return
        require(instance not in self.counted, f"5: {instance[-6:]} was judged twice")
        self.counted.add(instance)

    def _runs(self, row: Deployment) -> None:
        """9: an instance was seen to live after the settle delay."""
        if row.target == 0:
            return
        entries = [
            e
            for e in self.world.store.ledger(row.key).values()
            if e.deployment_id == row.id and e.phase is Phase.LIVE
        ]
        require(bool(entries), "9: running without a confirmed instance")
        if row.is_job:
            return
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

    def before_end(self, what: str, about: InstanceId) -> None:
        """A stop or removal is asked for: the ledger says since before that Ring ends it."""
        container = self.world.engine.containers.get(about)
        if container is None or not container.instance.is_live:
            return
        row = self.world.store.deployment(container.instance.deployment_id)
        for entry in self.world.store.ledger(row.key).values() if row is not None else ():
            if entry.instance_id == about and entry.phase is Phase.LIVE:
                raise Violation(f"27: {what} of {entry.name}, which the ledger says lives")

    # after every step
    def after_step(self) -> None:
        self._passes = 0
        if self.found is not None:
            raise self.found
        world = self.world
        state = (world.writes, world.engine.requests, len(world.engine.containers))
        if state == self._state:
            return
        self._state = state
        self.states.hold()
        self.scaled.hold()
        self.words.hold()
