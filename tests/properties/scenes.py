"""Groups in any state that a kill, an engine or a user can leave, and an engine that works."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from hypothesis import strategies as st

from ring.core.model.failures import FailureClass
from ring.core.model.ledger import Phase, Why
from ring.core.model.observed import Exit, Instance, State
from ring.core.model.operations import (
    Inspected,
    InspectInstance,
    OperationFailed,
    OperationView,
    Removed,
    RemoveInstance,
    Started,
    StartInstance,
)
from ring.core.model.status import Status
from ring.core.plan.view import Limits
from tests.core.plan.builders import Scene, failure, spec

if TYPE_CHECKING:
    from ring.core.model.deployment import Deployment
    from ring.core.model.ids import InstanceId
    from ring.core.model.ledger import Entry

ACTIVE = sorted(set(Status) - {Status.DELETED})
CODES = (0, 1, 126, 127, 137, None)
ENDED_OPERATIONS = ("start", "inspect", "remove")


@st.composite
def scenes(draw: st.DrawFn) -> Scene:
    """Up to two deleted rows and one that is not, each with up to five instances."""
    scene = Scene(Limits(crash_loop_retry_s=draw(st.sampled_from([None, 300.0]))))
    for number in range(draw(st.integers(0, 2))):
        _fill(draw, scene, scene.row(Status.DELETED, row_id=f"old-{number}"))
    if draw(st.booleans()) or not scene.rows:
        _fill(draw, scene, _active(draw, scene))
    return scene


def _active(draw: st.DrawFn, scene: Scene) -> Deployment:
    status = draw(st.sampled_from(ACTIVE))
    waits_s = draw(st.none() | st.floats(-600, 86_400))
    ports = [{"published": 8080, "target": 80}] if draw(st.booleans()) else []
    replicas = draw(st.integers(1 if status is Status.CRASH_LOOP_BACK_OFF else 0, 5))
    return scene.row(
        status,
        row_id="new",
        spec=spec(replicas=replicas, ports=ports),
        was_running=draw(st.booleans()),
        restart_count=draw(st.integers(0, 8)),
        next_create_at=None if waits_s is None else scene.wall(-waits_s),
        counted_death_at=draw(st.sampled_from([None, scene.wall(2), scene.wall(60)])),
        halt_reason=draw(st.sampled_from([None, None, "no such image"])),
        retired_count=draw(st.integers(0, replicas)),
    )


def _fill(draw: st.DrawFn, scene: Scene, row: Deployment) -> None:
    for _ in range(draw(st.integers(0, 5))):
        phase = draw(st.none() | st.sampled_from(Phase))
        entry = None if phase is None else scene.entry(row, phase, reason=_reason(draw, phase))
        instance = _maybe_found(draw, scene, row, entry)
        if entry is not None:
            _maybe_operation(draw, scene, entry, instance)


def _reason(draw: st.DrawFn, phase: Phase) -> Why | None:
    return draw(st.sampled_from(Why)) if phase is Phase.STOPPING else None


def _maybe_found(
    draw: st.DrawFn, scene: Scene, row: Deployment, entry: Entry | None
) -> Instance | None:
    state = draw(st.none() | st.sampled_from(State))
    if state is None:
        return None
    end = None
    if state is State.EXITED and draw(st.booleans()):
        end = Exit(
            draw(st.sampled_from(CODES)),
            scene.wall(draw(st.sampled_from([0.0, 3.0, 30.0]))),
            oom=draw(st.booleans()),
            signalled=draw(st.booleans()),
            missed=draw(st.booleans()),
        )
    return scene.found(row, entry, state, born=draw(st.sampled_from([1.0, 60.0])), end=end)


def _maybe_operation(
    draw: st.DrawFn, scene: Scene, entry: Entry, instance: Instance | None
) -> None:
    """What may be under way for an entry, or has just ended."""
    what = draw(st.none() | st.sampled_from(ENDED_OPERATIONS))
    if what is None:
        return
    operation = _operation(draw, scene, what, entry, instance)
    if operation is not None and draw(st.booleans()):
        _ended(draw, scene, operation, instance)


def _operation(
    draw: st.DrawFn, scene: Scene, what: str, entry: Entry, instance: Instance | None
) -> OperationView | None:
    known = instance.id if instance else None
    if what == "start" and entry.phase in {Phase.CREATING, Phase.STOPPING}:
        action = StartInstance(entry.deployment_id, entry.name)
        return scene.in_flight(action, begun=draw(st.booleans()))
    if what == "remove" and entry.phase in {Phase.STOPPING, Phase.COUNTED}:
        return scene.in_flight(RemoveInstance(entry.deployment_id, entry.name, known, 10.0))
    if what == "inspect" and known is not None and entry.phase is not Phase.CREATING:
        return scene.in_flight(
            InspectInstance(entry.deployment_id, entry.name, known, settle=draw(st.booleans()))
        )
    return None


def _ended(
    draw: st.DrawFn, scene: Scene, operation: OperationView, instance: Instance | None
) -> None:
    kind = draw(st.none() | st.sampled_from(FailureClass))
    if kind is not None:
        if isinstance(operation.action, StartInstance):
            clean = draw(st.booleans()) and instance is None
            inputs = draw(st.none() | st.integers(0, 1))
            scene.refused(operation, kind, clean=clean, inputs=inputs)
        else:
            scene.comes_of(operation, OperationFailed(failure(kind)))
    else:
        carry_out(scene, operation)


def carry_out(scene: Scene, operation: OperationView) -> None:
    """The engine does what it is asked, as a healthy one would."""
    action = operation.action
    row = scene.rows[action.deployment_id]
    held = scene.held[row.spec.runtime]
    instance = held.get(action.name)
    match action:
        case StartInstance():
            if instance is None:
                entry = scene.ledger[action.name]
                instance = scene.found(row, replace(entry, phase=Phase.CREATING), born=0.0)
            held[action.name] = instance = replace(instance, state=State.RUNNING, exit=None)
            scene.comes_of(operation, Started(instance))
        case InspectInstance():
            if instance is not None and instance.state is State.EXITED and instance.exit is None:
                instance = replace(instance, exit=Exit(1, scene.wall()))
            if instance is not None and instance.state is State.UNKNOWN:
                instance = replace(instance, state=State.RUNNING)
            if instance is not None:
                held[action.name] = instance
            scene.comes_of(operation, Inspected(instance))
        case RemoveInstance():
            held.pop(action.name, None)
            scene.comes_of(operation, Removed())


def live(scene: Scene, row: Deployment) -> list[InstanceId]:
    """What runs for a row, by the ledger and by the engine alike."""
    return [
        one.id
        for one in scene.held[row.spec.runtime].values()
        if one.deployment_id == row.id
        and one.is_live
        and one.name in scene.ledger
        and scene.ledger[one.name].phase is Phase.LIVE
    ]
