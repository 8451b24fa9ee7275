"""A group to plan for, built piece by piece, and the pure meaning of a plan that was committed."""

from __future__ import annotations

import itertools
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, TypeVar

from ring.core.model.deployment import Deployment
from ring.core.model.failures import Failure, FailureClass
from ring.core.model.health import CheckState, Fired
from ring.core.model.ids import DeploymentId, GroupKey, InstanceId, InstanceName, OperationId
from ring.core.model.ledger import Entry, Phase, Why
from ring.core.model.observed import Exit, Instance, Listing, State, Unknown
from ring.core.model.operations import (
    Action,
    AttachInstance,
    InspectInstance,
    OperationView,
    Outcome,
    Removed,
    RemoveInstance,
    Result,
    Started,
    StartFailed,
    StartInstance,
)
from ring.core.model.spec import DeploymentSpec
from ring.core.model.status import Status
from ring.core.plan.planner import plan
from ring.core.plan.view import Limits, Memory, Now, RuntimeView, View

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ring.core.model.events import EventDraft, Level
    from ring.core.plan.view import Plan

A = TypeVar("A", StartInstance, InspectInstance, AttachInstance, RemoveInstance)

KEY = GroupKey("media", "web")
SERVER = "this-server"
START = datetime(2027, 3, 2, 8, 0, tzinfo=UTC)
BOOT = 1000.0
"""Monotonic seconds at START."""
HOUR = 3600.0


def spec(**members: object) -> DeploymentSpec:
    base = {"name": "web", "namespace": "media", "runtime": "docker", "image": "nginx:1.25"}
    return DeploymentSpec.model_validate_json(json.dumps({**base, **members}))


def failure(kind: FailureClass, message: str = "the engine says no") -> Failure:
    return Failure(kind, message)


class Scene:
    """One group: its rows, its ledger, what its runtimes hold, and the time."""

    def __init__(self, limits: Limits | None = None) -> None:
        self.limits = limits or Limits()
        self.rows: dict[DeploymentId, Deployment] = {}
        self.ledger: dict[InstanceName, Entry] = {}
        self.held: dict[str, dict[InstanceName, Instance]] = {"docker": {}}
        self.unknown: dict[str, Unknown] = {}
        self.taken_at = BOOT
        self.operations: list[OperationView] = []
        self.outcomes: list[Outcome] = []
        self.fired: list[Fired] = []
        self.memory = Memory()
        self.inputs = 0
        self.checks: dict[InstanceId, dict[int, CheckState]] = {}
        self.passed = 0.0
        self.jumped = timedelta()
        self._numbers = itertools.count(1)
        self._made = itertools.count(1)

    # time
    @property
    def mono(self) -> float:
        return BOOT + self.passed

    def wall(self, ago: float = 0.0) -> datetime:
        return START + timedelta(seconds=self.passed - ago) + self.jumped

    def wait(self, seconds: float) -> None:
        """Time goes by; the runtimes are listed again."""
        self.passed += seconds
        self.taken_at = self.mono

    def until(self, made: Plan) -> None:
        """To the moment at which the plan wants the next pass."""
        assert made.wake_at is not None
        self.wait(max(0.0, made.wake_at - self.mono))

    # what is there
    def row(
        self,
        status: Status = Status.RUNNING,
        *,
        row_id: str = "row",
        spec: DeploymentSpec | None = None,
        replicas: int = 1,
        was_running: bool | None = None,
        restart_count: int = 0,
        next_create_at: datetime | None = None,
        counted_death_at: datetime | None = None,
        halt_reason: str | None = None,
        retired_count: int = 0,
        image_digest: str | None = None,
        age_s: float = HOUR,
        **more: Any,
    ) -> Deployment:
        made = Deployment(
            id=DeploymentId(row_id),
            spec=spec or _spec(replicas),
            status=status,
            created_at=self.wall(age_s - len(self.rows)),
            was_running=status is Status.RUNNING if was_running is None else was_running,
            restart_count=restart_count,
            next_create_at=next_create_at,
            counted_death_at=counted_death_at,
            halt_reason=halt_reason,
            retired_count=retired_count,
            image_digest=image_digest,
            **more,
        )
        self.rows[made.id] = made
        return made

    def entry(
        self,
        row: Deployment,
        phase: Phase = Phase.LIVE,
        *,
        reason: Why | None = None,
        instance_id: str | None = None,
    ) -> Entry:
        """An entry alone: the runtime need not hold anything by its name."""
        name = InstanceName(f"media_web_{next(self._made):08x}")
        known = InstanceId(instance_id) if instance_id else None
        made = Entry(name, row.id, known, phase, self.wall(60), reason)
        self.ledger[name] = made
        return made

    def found(
        self,
        row: Deployment,
        entry: Entry | None,
        state: State = State.RUNNING,
        *,
        born: float = 60.0,
        end: Exit | None = None,
    ) -> Instance:
        """What the runtime holds for an entry (None: for nobody); born so many seconds ago."""
        number = next(self._made)
        name = entry.name if entry else InstanceName(f"media_web_{number:08x}")
        wanted = entry.instance_id if entry else None
        instance = Instance(
            wanted or InstanceId(f"{number:012x}" + "0" * 52),
            name,
            row.id,
            SERVER,
            state,
            self.wall(born),
            exit=end,
        )
        self.held.setdefault(row.spec.runtime, {})[name] = instance
        if entry is not None and entry.phase is not Phase.CREATING:
            self.ledger[name] = replace(entry, instance_id=instance.id)
        return instance

    def up(self, row: Deployment, phase: Phase = Phase.LIVE, *, born: float = 60.0) -> Instance:
        """An instance that runs."""
        return self.found(row, self.entry(row, phase), born=born)

    def green(self, instance: Instance, *, since: float = 60.0, index: int = 0) -> None:
        """A check of it has been passing for so many seconds."""
        state = CheckState("success", ready_since=self.mono - since)
        self.checks.setdefault(instance.id, {})[index] = state

    def red(self, instance: Instance, *, status: str = "failed", index: int = 0) -> None:
        self.checks.setdefault(instance.id, {})[index] = CheckState(status, failures=1)

    def ended(
        self,
        row: Deployment,
        code: int | None = 1,
        *,
        phase: Phase = Phase.LIVE,
        born: float = 60.0,
        died: float = 0.0,
        oom: bool = False,
        signalled: bool = False,
        missed: bool = False,
    ) -> Instance:
        """An instance that was up and ended so many seconds ago."""
        end = Exit(code, self.wall(died), oom=oom, signalled=signalled, missed=missed)
        return self.found(row, self.entry(row, phase), State.EXITED, born=born, end=end)

    def ends(self, instance: Instance, code: int | None = 1, *, signalled: bool = False) -> None:
        """An instance that runs ends now."""
        runtime = self.rows[instance.deployment_id].spec.runtime
        self.held[runtime][instance.name] = replace(
            self.held[runtime][instance.name],
            state=State.EXITED,
            exit=Exit(code, self.wall(), signalled=signalled),
        )

    def fires(self, instance: Instance, index: int = 0, message: str = "refused") -> Fired:
        """A check of an instance reaches its threshold."""
        made = Fired(
            next(self._numbers), instance.deployment_id, instance.name, instance.id, index, message
        )
        self.fired.append(made)
        return made

    # operations
    def in_flight(self, action: Action, *, begun: bool = True) -> OperationView:
        made = OperationView(OperationId(next(self._numbers)), action, begun, self.mono)
        self.operations.append(made)
        return made

    def comes_of(self, operation: OperationView, result: Result) -> Outcome:
        """The operation ends now; what was started is there."""
        self.operations.remove(operation)
        made = Outcome(operation.id, operation.action, result, operation.since, self.mono)
        self.outcomes.append(made)
        return made

    def started(
        self, operation: OperationView, *, digest: str | None = "sha256:" + "1" * 64
    ) -> Instance:
        """The start in flight succeeds."""
        row = self.rows[operation.action.deployment_id]
        entry = self.ledger[operation.action.name]
        instance = self.found(row, replace(entry, phase=Phase.CREATING), born=0.0)
        told = replace(instance, image_digest=digest)
        self.held[row.spec.runtime][instance.name] = told
        self.comes_of(operation, Started(told))
        return told

    def refused(
        self,
        operation: OperationView,
        kind: FailureClass,
        message: str = "the engine says no",
        *,
        clean: bool = True,
        inputs: int | None = None,
        retry_after_s: float = 0.0,
    ) -> Outcome:
        """The start in flight fails."""
        why = Failure(kind, message, retry_after_s)
        return self.comes_of(operation, StartFailed(why, clean, inputs))

    def comes_away(self) -> None:
        """Every removal in flight succeeds."""
        for operation in self.flying(RemoveInstance):
            row = self.rows[operation.action.deployment_id]
            self.held[row.spec.runtime].pop(operation.action.name, None)
            self.comes_of(operation, Removed())

    # planning
    def view(self) -> View:
        runtimes = {
            name: RuntimeView(self.unknown.get(name, Listing(dict(held), self.taken_at)))
            for name, held in self.held.items()
        }
        return View(
            key=KEY,
            rows=tuple(self.rows.values()),
            ledger=dict(self.ledger),
            operations=tuple(self.operations),
            outcomes=tuple(self.outcomes),
            fired=tuple(self.fired),
            runtimes=runtimes,
            memory=self.memory,
            limits=self.limits,
            inputs=self.inputs,
            checks=dict(self.checks),
        )

    def plan(self) -> Plan:
        suffixes = (f"{number:08x}" for number in itertools.count(0xA0000000 + int(self.passed)))
        return plan(self.view(), Now(self.mono, self.wall()), lambda: next(suffixes))

    def step(self) -> Plan:
        """Plans, commits and begins."""
        made = self.plan()
        self.commit(made)
        return made

    def commit(self, made: Plan) -> None:
        """The plan is durable and what it begins is in flight."""
        for change in made.rows:
            assert self.rows[change.before.id] == change.before
            self.rows[change.after.id] = change.after
        for row in made.purge:
            del self.rows[row.id]
        for name in made.drop_entries:
            del self.ledger[name]
        for entry in made.put_entries:
            self.ledger[entry.name] = entry
        self.outcomes = [one for one in self.outcomes if one.id not in made.folded]
        self.fired = [one for one in self.fired if one.id not in made.acted]
        self.memory = made.memory
        for operation in [one for one in self.operations if one.id in made.cancel]:
            assert isinstance(operation.action, StartInstance)
            self.refused(operation, FailureClass.CANCELLED, "given up")
        for action in made.actions:
            self.in_flight(action)

    def forgotten(self) -> None:
        """The server is killed and started again."""
        self.memory = Memory()
        self.operations.clear()
        self.outcomes.clear()
        self.fired.clear()

    def now(self, row: Deployment) -> Deployment:
        """The row as it is by now."""
        return self.rows[row.id]

    def flying(self, kind: type[A]) -> list[OperationView]:
        return [one for one in self.operations if isinstance(one.action, kind)]

    def phases(self, row: Deployment) -> list[Phase]:
        return [entry.phase for entry in self.ledger.values() if entry.deployment_id == row.id]


def _spec(replicas: int) -> DeploymentSpec:
    return spec(replicas=replicas)


def actions(made: Plan, kind: type[A]) -> list[A]:
    return [one for one in made.actions if isinstance(one, kind)]


def told(made: Plan) -> list[tuple[Level, str, str]]:
    """Level, reason and component of every event, in order."""
    return [(event.level, event.reason, event.component) for event in made.events]


def reasons(made: Plan) -> list[str]:
    return [event.reason for event in made.events]


def the_event(made: Plan, reason: str) -> EventDraft:
    found = [event for event in made.events if event.reason == reason]
    assert len(found) == 1, f"{reason}: {made.events}"
    return found[0]


def after(made: Plan, row: Deployment) -> Deployment:
    """The row as the plan leaves it."""
    changed: Mapping[DeploymentId, Deployment] = {c.before.id: c.after for c in made.rows}
    return changed.get(row.id, row)


def is_empty(made: Plan) -> bool:
    return not (made.writes or made.actions or made.cancel or made.folded or made.refresh)
