"""What an operation that ended changes: starts that worked or failed, inspections, removals."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from ring.core.model.events import Level
from ring.core.model.failures import TREATMENT, Disposition, FailureClass
from ring.core.model.ledger import Phase, Why
from ring.core.model.observed import State
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
from tests.core.plan.builders import (
    Scene,
    actions,
    after,
    failure,
    is_empty,
    reasons,
    the_event,
    told,
)

if TYPE_CHECKING:
    from ring.core.model.deployment import Deployment

HALF_A_DAY_S = 43_200.0
RETRIED = [
    kind
    for kind, treatment in TREATMENT.items()
    if treatment.disposition is Disposition.RETRY
    and treatment.status is not None
    and kind is not FailureClass.NAME_TAKEN
]


def starting(scene: Scene, row: Deployment, *, begun: bool = True) -> OperationView:
    entry = scene.entry(row, Phase.CREATING)
    return scene.in_flight(StartInstance(row.id, entry.name), begun=begun)


def failed(kind: FailureClass, *, status: Status = Status.CREATING) -> tuple[Scene, Deployment]:
    """A row of one whose only start has just failed."""
    scene = Scene()
    row = scene.row(status)
    scene.refused(starting(scene, row), kind)
    return scene, row


# starts that worked


def test_a_started_instance_is_told_and_settles_before_the_row_runs() -> None:
    scene = Scene()
    row = scene.row(Status.CREATING)
    scene.started(starting(scene, row))
    made = scene.step()
    assert told(made) == [(Level.INFO, "scale_up", "docker")]
    assert made.events[0].message == "Scaled up from 0 to 1 replicas"
    assert after(made, row).status is Status.CREATING
    assert scene.phases(row) == [Phase.SETTLING]
    assert made.actions == ()
    assert made.wake_at == scene.mono + 0.3


def test_the_settle_delay_counts_from_the_end_of_the_start() -> None:
    scene = Scene()
    row = scene.row(Status.CREATING)
    scene.started(starting(scene, row))
    scene.passed += 0.2
    made = scene.plan()
    assert made.wake_at == pytest.approx(scene.mono + 0.1)


def test_after_the_settle_delay_the_instance_is_inspected_and_then_the_row_runs() -> None:
    scene = Scene()
    row = scene.row(Status.CREATING)
    instance = scene.started(starting(scene, row))
    scene.until(scene.step())
    made = scene.step()
    assert made.actions == (InspectInstance(row.id, instance.name, instance.id, settle=True),)
    assert after(made, scene.now(row)).status is Status.CREATING
    scene.comes_of(scene.operations[0], Inspected(instance))
    made = scene.step()
    assert told(made) == [(Level.INFO, "state_transition", "scheduler")]
    assert made.events[0].message == "creating → running with 1 live instance"
    assert scene.now(row).status is Status.RUNNING
    assert scene.now(row).was_running
    assert scene.phases(row) == [Phase.LIVE]
    assert is_empty(scene.step())


def test_each_instance_tells_its_own_scale_up() -> None:
    scene = Scene()
    row = scene.row(Status.CREATING, replicas=3)
    for operation in [starting(scene, row) for _ in range(3)]:
        scene.started(operation)
    made = scene.plan()
    assert [event.message for event in made.events] == [
        "Scaled up from 0 to 1 replicas",
        "Scaled up from 1 to 2 replicas",
        "Scaled up from 2 to 3 replicas",
    ]


def test_the_first_confirmed_instance_takes_the_others_that_are_up_with_it() -> None:
    scene = Scene()
    row = scene.row(Status.CREATING, replicas=3)
    first, second = scene.up(row, Phase.SETTLING), scene.up(row, Phase.SETTLING)
    starting(scene, row)
    asked = scene.in_flight(InspectInstance(row.id, first.name, first.id, settle=True))
    scene.comes_of(asked, Inspected(first))
    made = scene.step()
    assert the_event(made, "state_transition").message == "creating → running with 1 live instance"
    assert scene.phases(row) == [Phase.LIVE, Phase.LIVE, Phase.CREATING]
    assert second.name not in scene.memory.settle_at


def test_an_instance_of_a_running_row_counts_at_once() -> None:
    scene = Scene()
    row = scene.row(Status.RUNNING)
    scene.started(starting(scene, row))
    made = scene.step()
    assert reasons(made) == ["scale_up"]
    assert scene.phases(row) == [Phase.LIVE]
    assert made.wake_at is None


def test_the_digest_is_recorded_once() -> None:
    scene = Scene()
    row = scene.row(Status.CREATING, replicas=2)
    first, second = starting(scene, row), starting(scene, row)
    scene.started(first, digest="sha256:aaa")
    scene.started(second, digest="sha256:bbb")
    assert after(scene.plan(), row).image_digest == "sha256:aaa"


def test_a_start_that_tells_no_digest_leaves_it_open() -> None:
    scene = Scene()
    row = scene.row(Status.CREATING)
    scene.started(starting(scene, row), digest=None)
    assert after(scene.plan(), row).image_digest is None


def test_a_success_ends_the_wait() -> None:
    scene = Scene()
    row = scene.row(Status.RUNNING, restart_count=3, next_create_at=scene.wall(1))
    scene.started(starting(scene, row))
    assert after(scene.plan(), row).next_create_at is None


def test_a_success_of_an_earlier_start_does_not_end_a_wait_that_goes_on() -> None:
    scene = Scene()
    later = scene.wall() + timedelta(seconds=2)
    row = scene.row(Status.RUNNING, replicas=2, restart_count=3, next_create_at=later)
    scene.started(starting(scene, row))
    assert after(scene.plan(), row).next_create_at == later


@pytest.mark.parametrize("phase", [Phase.STOPPING, None])
def test_what_was_given_up_and_came_up_after_all_is_removed(phase: Phase | None) -> None:
    scene = Scene()
    row = scene.row(Status.RUNNING, replicas=0)
    operation = starting(scene, row)
    instance = scene.started(operation)
    entry = scene.ledger.pop(instance.name)
    if phase is not None:
        scene.ledger[instance.name] = replace(entry, phase=phase, reason=Why.DELETE)
    made = scene.step()
    assert made.events == ()
    assert made.actions == (RemoveInstance(row.id, instance.name, instance.id, 10.0),)
    kept = scene.ledger[instance.name]
    assert kept.phase is Phase.STOPPING
    assert kept.reason is (Why.DELETE if phase else Why.FAILED_CREATE)


def test_what_came_up_for_a_row_deleted_meanwhile_is_removed() -> None:
    scene = Scene()
    row = scene.row(Status.DELETED)
    instance = scene.started(starting(scene, row))
    made = scene.step()
    assert "scale_up" not in reasons(made)
    assert made.actions == (RemoveInstance(row.id, instance.name, instance.id, 10.0),)
    assert scene.phases(row) == [Phase.STOPPING]


# starts that failed


@pytest.mark.parametrize("kind", RETRIED)
def test_a_retried_failure_counts_and_shows_its_status(kind: FailureClass) -> None:
    scene, row = failed(kind)
    made = scene.step()
    treatment = TREATMENT[kind]
    assert told(made) == [(Level.ERROR, treatment.reason, "docker")]
    expected = "the engine says no (failure 1 of 5; next attempt at once)"
    assert made.events[0].message == expected
    assert scene.now(row).status is treatment.status
    assert scene.now(row).restart_count == 1
    assert scene.now(row).halt_reason is None
    assert len(actions(made, StartInstance)) == 1  # the first failure is tried again at once


def test_a_name_that_is_taken_is_drawn_anew_and_nothing_has_failed() -> None:
    scene, _ = failed(FailureClass.NAME_TAKEN)
    taken = set(scene.ledger)
    made = scene.step()
    (start,) = actions(made, StartInstance)
    assert start.names_taken == 1
    assert start.name not in taken
    assert [entry.name for entry in made.put_entries] == [start.name]
    assert set(made.drop_entries) == taken
    assert (made.events, made.rows) == ((), ())


def test_the_fourth_name_that_is_taken_in_a_row_is_a_failure() -> None:
    scene, row = failed(FailureClass.NAME_TAKEN)
    for taken in (1, 2, 3):
        made = scene.step()
        assert [start.names_taken for start in actions(made, StartInstance)] == [taken]
        assert scene.now(row) == row
        scene.refused(scene.flying(StartInstance)[0], FailureClass.NAME_TAKEN)
    made = scene.step()
    assert told(made) == [(Level.ERROR, "instance_creation_failed", "docker")]
    assert scene.now(row).status is Status.CREATE_CONTAINER_ERROR
    assert scene.now(row).restart_count == 1
    assert [start.names_taken for start in actions(made, StartInstance)] == [0]


def test_only_the_instance_whose_name_is_taken_is_started_anew() -> None:
    scene = Scene()
    row = scene.row(Status.RUNNING, replicas=3)
    kept = scene.up(row)
    taken, other = (starting(scene, row) for _ in range(2))
    scene.refused(taken, FailureClass.NAME_TAKEN)
    made = scene.step()
    assert len(actions(made, StartInstance)) == 1
    names = {entry.name for entry in scene.ledger.values()}
    assert {kept.name, other.action.name} < names
    assert (len(names), taken.action.name in names) == (3, False)


def test_the_attempt_of_a_crash_loop_whose_name_is_taken_is_still_the_attempt() -> None:
    scene = Scene()
    row = scene.row(Status.CRASH_LOOP_BACK_OFF, restart_count=5, was_running=True)
    entry = scene.entry(row, Phase.CREATING, reason=Why.ATTEMPT)
    operation = scene.in_flight(StartInstance(row.id, entry.name))
    scene.refused(operation, FailureClass.NAME_TAKEN)
    made = scene.step()
    assert [(e.phase, e.reason) for e in made.put_entries] == [(Phase.CREATING, Why.ATTEMPT)]
    assert scene.now(row) == row


@pytest.mark.parametrize("gone", ["deleted", "halted", "not wanted"])
def test_no_name_is_drawn_for_what_is_not_to_be_any_more(gone: str) -> None:
    scene = Scene()
    row = scene.row(
        Status.DELETED if gone == "deleted" else Status.RUNNING,
        replicas=0 if gone == "not wanted" else 1,
        halt_reason="exit code 127" if gone == "halted" else None,
    )
    scene.refused(starting(scene, row), FailureClass.NAME_TAKEN)
    made = scene.step()
    assert actions(made, StartInstance) == []
    assert scene.ledger == {}
    assert "instance_creation_failed" not in reasons(made)


def test_a_failure_shows_with_other_instances_live() -> None:
    scene = Scene()
    row = scene.row(Status.RUNNING, replicas=2)
    scene.up(row)
    scene.refused(starting(scene, row), FailureClass.NETWORK_FAILED)
    assert after(scene.plan(), row).status is Status.NETWORK_ERROR


def test_a_timeout_counts_and_leaves_the_status_alone() -> None:
    scene, row = failed(FailureClass.TIMEOUT)
    made = scene.plan()
    assert told(made) == [(Level.ERROR, "apply_timeout", "scheduler")]
    assert after(made, row).status is Status.CREATING
    assert after(made, row).restart_count == 1


@pytest.mark.parametrize("kind", [FailureClass.IMAGE_NOT_FOUND])
def test_a_permanent_failure_halts_and_counts_nothing(kind: FailureClass) -> None:
    scene, row = failed(kind)
    made = scene.step()
    assert told(made) == [(Level.ERROR, "image_pull_back_off", "docker")]
    assert scene.now(row).status is Status.IMAGE_PULL_BACK_OFF
    assert scene.now(row).halt_reason == "the engine says no"
    assert scene.now(row).restart_count == 0
    assert made.actions == ()
    scene.wait(HALF_A_DAY_S)
    assert is_empty(scene.step())


def test_a_memory_refusal_without_a_live_instance_is_final() -> None:
    scene, row = failed(FailureClass.INSUFFICIENT_RESOURCES)
    made = scene.step()
    assert told(made) == [(Level.ERROR, "insufficient_resources", "docker")]
    assert scene.now(row).status is Status.INSUFFICIENT_RESOURCES
    assert scene.now(row).halt_reason == "the engine says no"
    assert scene.now(row).restart_count == 0
    scene.wait(HALF_A_DAY_S)
    assert is_empty(scene.step())


def test_a_memory_refusal_beside_a_start_that_was_let_in_does_not_halt() -> None:
    scene = Scene()
    row = scene.row(Status.CREATING, replicas=2)
    first, second = (scene.entry(row, Phase.CREATING) for _ in range(2))
    scene.in_flight(StartInstance(row.id, first.name))
    refused = scene.in_flight(StartInstance(row.id, second.name), begun=False)
    scene.refused(refused, FailureClass.INSUFFICIENT_RESOURCES)
    scene.step()
    assert scene.now(row).status is Status.INSUFFICIENT_RESOURCES
    assert scene.now(row).halt_reason is None


def test_an_instance_taken_up_after_a_kill_tells_the_row_its_image() -> None:
    scene = Scene()
    row = scene.row(Status.CREATING)
    entry = scene.entry(row, Phase.CREATING)
    instance = scene.found(row, entry)
    scene.held["docker"][instance.name] = replace(instance, image_digest="sha256:" + "7" * 64)
    scene.step()
    assert scene.now(row).image_digest == "sha256:" + "7" * 64


def test_a_memory_refusal_with_a_live_instance_is_tried_again_every_minute() -> None:
    scene = Scene()
    row = scene.row(Status.RUNNING, replicas=2)
    scene.up(row)
    scene.refused(starting(scene, row), FailureClass.INSUFFICIENT_RESOURCES)
    made = scene.step()
    assert scene.now(row).status is Status.INSUFFICIENT_RESOURCES
    assert scene.now(row).halt_reason is None
    assert scene.now(row).restart_count == 0
    assert made.wake_at == scene.mono + 60
    scene.wait(59.9)
    assert is_empty(scene.step())
    scene.wait(0.1)
    scene.step()
    (operation,) = scene.operations
    instance = scene.started(operation)
    scene.until(scene.step())
    scene.step()
    scene.comes_of(scene.operations[0], Inspected(instance))
    made = scene.step()
    assert scene.now(row).status is Status.RUNNING
    assert the_event(made, "state_transition").message == (
        "insufficient_resources → creating → running with 2 live instances"
    )


def test_an_engine_that_is_away_costs_nothing_and_is_asked_again_after_a_second() -> None:
    scene, row = failed(FailureClass.UNAVAILABLE)
    made = scene.step()
    assert told(made) == [], "an engine that is away altogether is told by its listing"
    assert scene.now(row) == row
    assert made.actions == ()
    assert made.wake_at == scene.mono + 1
    scene.wait(1)
    (again,) = scene.step().actions
    assert isinstance(again, StartInstance)
    (operation,) = scene.flying(StartInstance)
    scene.refused(operation, FailureClass.UNAVAILABLE, "no answer")
    made = scene.step()
    assert told(made) == [(Level.WARNING, "runtime_unavailable", "docker")]
    message = made.events[0].message
    assert "docker runtime does not carry out a create (tried again until it does)" in message
    assert "no answer" not in message, "the engine's address is the administrator's business"
    assert scene.now(row) == row


@pytest.mark.parametrize("status", [Status.CREATING, Status.RUNNING])
def test_a_missing_config_shows_costs_nothing_and_is_waited_for(status: Status) -> None:
    scene, row = failed(FailureClass.CONFIG_MISSING, status=status)
    made = scene.step()
    assert told(made) == [(Level.ERROR, "config_error", "docker")]
    assert scene.now(row).status is Status.CONFIG_ERROR
    assert scene.now(row).restart_count == 0
    assert made.wake_at == scene.mono + 10
    scene.wait(9.9)
    assert is_empty(scene.step())
    scene.wait(0.1)
    assert len(scene.step().actions) == 1


def test_a_missing_config_does_not_show_while_an_instance_lives() -> None:
    scene = Scene()
    row = scene.row(Status.RUNNING, replicas=2)
    scene.up(row)
    scene.refused(starting(scene, row), FailureClass.CONFIG_MISSING)
    assert after(scene.plan(), row).status is Status.RUNNING


# starts for which something is missing

MISSING = {
    FailureClass.CONFIG_UNREADABLE: ("config_load_error", False),
    FailureClass.SECRET_UNREADABLE: ("secret_load_error", False),
    FailureClass.SECRET_UNRESOLVED: ("secret_resolution_error", False),
    FailureClass.PULL_SECRET_UNRESOLVED: ("image_pull_secret_resolution_error", False),
    FailureClass.MOUNTED_SECRET_MISSING: ("volume_resolution_error", False),
    FailureClass.MOUNTED_CONFIG_MISSING: ("volume_resolution_error", True),
}


@pytest.mark.parametrize("status", [Status.CREATING, Status.RUNNING])
@pytest.mark.parametrize("kind", MISSING)
def test_what_is_missing_is_told_and_costs_nothing(kind: FailureClass, status: Status) -> None:
    reason, shows = MISSING[kind]
    scene = Scene()
    row = scene.row(status)
    scene.refused(starting(scene, row), kind, "Secret 'db' not found", inputs=0)
    made = scene.step()
    assert told(made) == [(Level.ERROR, reason, "scheduler")]
    assert made.events[0].message == "Secret 'db' not found"
    assert scene.now(row).status is (Status.CONFIG_ERROR if shows else status)
    assert scene.now(row).restart_count == 0
    assert scene.ledger == {}
    assert made.wake_at == scene.mono + 10
    scene.wait(9.9)
    assert is_empty(scene.step())
    scene.wait(0.1)
    assert len(scene.step().actions) == 1


def test_what_is_missing_is_looked_for_at_once_when_anything_was_written() -> None:
    scene = Scene()
    row = scene.row(Status.CREATING, replicas=3)
    scene.refused(starting(scene, row), FailureClass.SECRET_UNRESOLVED, inputs=0)
    scene.step()
    assert scene.plan().actions == ()
    scene.inputs = 1
    assert len(scene.step().actions) == 3


def test_a_write_between_the_look_and_its_outcome_is_not_lost() -> None:
    scene = Scene()
    row = scene.row(Status.CREATING)
    scene.inputs = 1
    scene.refused(starting(scene, row), FailureClass.SECRET_UNRESOLVED, inputs=0)
    made = scene.step()
    assert reasons(made) == ["secret_resolution_error"]
    assert len(made.actions) == 1


def test_a_write_does_not_shorten_a_wait_for_something_else() -> None:
    scene, _ = failed(FailureClass.CONFIG_MISSING)
    scene.step()
    scene.inputs = 1
    assert scene.plan().actions == ()


def test_a_missing_config_that_is_mounted_does_not_show_while_an_instance_lives() -> None:
    scene = Scene()
    row = scene.row(Status.RUNNING, replicas=2)
    scene.up(row)
    scene.refused(starting(scene, row), FailureClass.MOUNTED_CONFIG_MISSING, inputs=0)
    assert after(scene.plan(), row).status is Status.RUNNING


def test_a_cancelled_start_means_nothing() -> None:
    scene = Scene()
    row = scene.row(Status.RUNNING, replicas=0)
    entry = scene.entry(row, Phase.STOPPING, reason=Why.FAILED_CREATE)
    scene.refused(
        scene.in_flight(StartInstance(row.id, entry.name)), FailureClass.CANCELLED, clean=True
    )
    made = scene.step()
    assert (made.events, made.rows, made.actions) == ((), (), ())
    assert scene.ledger == {}


@pytest.mark.parametrize("phase", [Phase.CREATING, Phase.STOPPING])
def test_what_an_unclean_failure_may_have_left_is_removed_by_name(phase: Phase) -> None:
    scene = Scene()
    row = scene.row(Status.CREATING)
    entry = scene.entry(row, phase)
    operation = scene.in_flight(StartInstance(row.id, entry.name))
    scene.refused(operation, FailureClass.UNAVAILABLE, clean=False)
    made = scene.step()
    assert made.actions == (RemoveInstance(row.id, entry.name, None, 10.0),)
    assert scene.ledger[entry.name].phase is Phase.STOPPING


def test_a_failure_of_a_deleted_row_is_not_told() -> None:
    scene = Scene()
    row = scene.row(Status.DELETED)
    scene.refused(starting(scene, row), FailureClass.OTHER)
    made = scene.plan()
    assert "runtime_error" not in reasons(made)
    assert made.rows == ()
    assert len(made.drop_entries) == 1


def test_the_failure_of_an_entry_that_is_gone_still_counts() -> None:
    scene, row = failed(FailureClass.OTHER)
    scene.ledger.clear()
    assert after(scene.plan(), row).restart_count == 1


# several at once


def test_failures_in_flight_together_count_once() -> None:
    scene = Scene()
    row = scene.row(Status.CREATING, replicas=3)
    operations = [starting(scene, row) for _ in range(3)]
    scene.passed += 1
    for operation in operations[:2]:
        scene.refused(operation, FailureClass.INSTANCE_REJECTED)
    made = scene.step()
    assert reasons(made) == ["instance_creation_failed"]
    assert scene.now(row).restart_count == 1
    scene.passed += 1
    scene.refused(operations[2], FailureClass.INSTANCE_REJECTED)
    made = scene.step()
    assert made.events == ()
    assert scene.now(row).restart_count == 1


def test_the_failure_of_a_start_planned_after_a_counted_one_counts() -> None:
    scene, row = failed(FailureClass.INSTANCE_REJECTED)
    scene.step()
    scene.passed += 1
    scene.refused(scene.operations[0], FailureClass.INSTANCE_REJECTED)
    scene.step()
    assert scene.now(row).restart_count == 2


def test_a_failure_gives_up_the_starts_that_still_wait_in_line() -> None:
    scene = Scene()
    row = scene.row(Status.CREATING, replicas=3, restart_count=1)
    first, second, third = (starting(scene, row, begun=begun) for begun in (True, True, False))
    scene.refused(first, FailureClass.NETWORK_FAILED)
    made = scene.plan()
    assert made.cancel == (third.id,)
    phases = {entry.name: entry.phase for entry in made.put_entries}
    assert phases == {third.action.name: Phase.STOPPING}
    assert second.action.name not in made.drop_entries


def test_what_fails_beside_a_permanent_failure_changes_nothing_more() -> None:
    scene = Scene()
    row = scene.row(Status.CREATING, replicas=3)
    kinds = (
        FailureClass.IMAGE_NOT_FOUND,
        FailureClass.IMAGE_NOT_FOUND,
        FailureClass.NETWORK_FAILED,
    )
    for operation, kind in zip([starting(scene, row) for _ in kinds], kinds, strict=True):
        scene.refused(operation, kind)
    made = scene.step()
    assert reasons(made) == ["image_pull_back_off"]
    assert scene.now(row).status is Status.IMAGE_PULL_BACK_OFF
    assert scene.now(row).restart_count == 0
    assert scene.ledger == {}


# a failure in a state that it does not change


def test_a_retried_failure_does_not_hide_a_crash_loop() -> None:
    scene, row = failed(FailureClass.NETWORK_FAILED, status=Status.CRASH_LOOP_BACK_OFF)
    made = scene.plan()
    assert after(made, row).status is Status.CRASH_LOOP_BACK_OFF


def test_a_permanent_failure_ends_a_crash_loop() -> None:
    scene, row = failed(FailureClass.IMAGE_NOT_FOUND, status=Status.CRASH_LOOP_BACK_OFF)
    made = scene.plan()
    assert after(made, row).status is Status.IMAGE_PULL_BACK_OFF
    assert after(made, row).halt_reason == "the engine says no"


@pytest.mark.parametrize("kind", [FailureClass.NETWORK_FAILED, FailureClass.IMAGE_NOT_FOUND])
def test_a_late_failure_does_not_hide_that_the_row_completed(kind: FailureClass) -> None:
    scene = Scene()
    row = scene.row(Status.COMPLETED, retired_count=1)
    scene.refused(starting(scene, row), kind)
    assert after(scene.plan(), row).status is Status.COMPLETED


# inspections


def settling(scene: Scene, state: State = State.RUNNING) -> tuple[Deployment, OperationView]:
    row = scene.row(Status.CREATING)
    instance = scene.found(row, scene.entry(row, Phase.SETTLING), state)
    return row, scene.in_flight(InspectInstance(row.id, instance.name, instance.id, settle=True))


def test_an_instance_that_ended_before_it_was_confirmed_is_told() -> None:
    scene = Scene()
    row = scene.row(Status.CREATING)
    dead = scene.ended(row, 1, phase=Phase.SETTLING)
    asked = scene.in_flight(InspectInstance(row.id, dead.name, dead.id, settle=True))
    scene.comes_of(asked, Inspected(dead))
    made = scene.step()
    assert told(made)[0] == (Level.WARNING, "liveness_unconfirmed", "docker")
    assert dead.id[:12] in made.events[0].message
    assert reasons(made) == ["liveness_unconfirmed", "container_crashed"]
    assert scene.now(row).status is Status.CREATING
    assert scene.now(row).restart_count == 1


def test_an_instance_that_ended_since_it_was_inspected_does_not_make_the_row_run() -> None:
    scene = Scene()
    row = scene.row(Status.CREATING)
    dead = scene.ended(row, 1, phase=Phase.SETTLING)
    asked = scene.in_flight(InspectInstance(row.id, dead.name, dead.id, settle=True))
    scene.comes_of(asked, Inspected(replace(dead, state=State.RUNNING, exit=None)))
    scene.step()
    assert scene.now(row).status is Status.CREATING


def test_an_instance_that_is_gone_before_it_was_confirmed_is_replaced_uncounted() -> None:
    scene = Scene()
    row, asked = settling(scene)
    scene.held["docker"].clear()
    scene.comes_of(asked, Inspected(None))
    made = scene.step()
    assert reasons(made) == ["instances_recovered"]
    assert scene.now(row).restart_count == 0


def test_an_inspection_that_only_asks_how_it_ended_confirms_nothing() -> None:
    scene = Scene()
    row, asked = settling(scene)
    instance = scene.held["docker"][asked.action.name]
    scene.operations[0] = replace(asked, action=InspectInstance(row.id, instance.name, instance.id))
    scene.comes_of(scene.operations[0], Inspected(instance))
    scene.step()
    assert scene.phases(row) == [Phase.SETTLING]


def test_an_inspection_of_an_entry_that_is_gone_means_nothing() -> None:
    scene = Scene()
    row, asked = settling(scene)
    instance = scene.held["docker"].pop(asked.action.name)
    scene.ledger.clear()
    scene.rows[row.id] = replace(row, spec=row.spec.model_copy(update={"replicas": 0}))
    scene.comes_of(asked, Inspected(instance))
    made = scene.plan()
    assert made.folded == (asked.id,)
    assert reasons(made) == ["state_transition"]


def test_an_inspection_that_fails_is_tried_again_after_a_wait_that_doubles() -> None:
    scene = Scene()
    _, asked = settling(scene)
    for wait_s in (1, 2, 4):
        scene.comes_of(asked, OperationFailed(failure(FailureClass.UNAVAILABLE)))
        made = scene.step()
        assert made.events == ()
        assert made.actions == ()
        assert made.wake_at == scene.mono + wait_s
        scene.until(made)
        scene.step()
        (asked,) = scene.operations


def test_an_answer_ends_the_doubling() -> None:
    scene = Scene()
    row, asked = settling(scene)
    scene.comes_of(asked, OperationFailed(failure(FailureClass.UNAVAILABLE)))
    scene.until(scene.step())
    scene.step()
    scene.comes_of(scene.operations[0], Inspected(scene.held["docker"][asked.action.name]))
    scene.step()
    assert scene.memory.retry_at == {}
    assert scene.now(row).status is Status.RUNNING


# removals


def leaving(scene: Scene, row: Deployment, reason: Why) -> OperationView:
    entry = scene.entry(row, Phase.STOPPING, reason=reason, instance_id="c" * 64)
    return scene.in_flight(RemoveInstance(row.id, entry.name, entry.instance_id, 10.0))


def test_a_removal_forgets_the_entry() -> None:
    scene = Scene()
    row = scene.row()
    scene.up(row)
    operation = leaving(scene, row, Why.LEFTOVER)
    scene.comes_of(operation, Removed())
    made = scene.step()
    assert made.drop_entries == (operation.action.name,)
    assert made.events == ()
    assert is_empty(scene.step())


def test_scaling_down_tells_every_step_and_names_the_instance() -> None:
    scene = Scene()
    row = scene.row(replicas=2)
    scene.up(row)
    scene.up(row)
    operations = [leaving(scene, row, Why.SCALE_DOWN) for _ in range(3)]
    for operation in operations:
        scene.comes_of(operation, Removed())
    made = scene.plan()
    assert told(made) == [(Level.INFO, "scale_down", "docker")] * 3
    assert [event.message for event in made.events] == [
        f"Scaled down from {count} to {count - 1} replicas: removed {operation.action.name}"
        for count, operation in zip((5, 4, 3), operations, strict=True)
    ]


def test_a_removal_of_an_entry_that_is_gone_means_nothing() -> None:
    scene = Scene()
    row = scene.row(replicas=0)
    operation = leaving(scene, row, Why.SCALE_DOWN)
    scene.ledger.clear()
    scene.comes_of(operation, Removed())
    made = scene.plan()
    assert made.folded == (operation.id,)
    assert not made.writes


def test_a_removal_that_fails_is_told_and_tried_again_up_to_a_minute_apart() -> None:
    scene = Scene()
    row = scene.row()
    scene.up(row)
    leaving(scene, row, Why.LEFTOVER)
    for wait_s in (1, 2, 4, 8, 16, 32, 60, 60):
        (operation,) = scene.operations
        scene.comes_of(operation, OperationFailed(failure(FailureClass.OTHER, "device busy")))
        made = scene.step()
        assert told(made) == [(Level.ERROR, "teardown_failed", "docker")]
        assert operation.action.name in made.events[0].message
        assert "device busy" in made.events[0].message
        assert made.actions == ()
        assert made.wake_at == scene.mono + wait_s
        scene.until(made)
        scene.step()


@pytest.mark.parametrize("kind", [FailureClass.UNAVAILABLE, FailureClass.CANCELLED])
def test_a_removal_that_could_not_be_tried_is_no_news(kind: FailureClass) -> None:
    scene = Scene()
    row = scene.row()
    scene.up(row)
    scene.comes_of(leaving(scene, row, Why.LEFTOVER), OperationFailed(failure(kind)))
    made = scene.plan()
    assert made.events == ()
    assert made.wake_at == scene.mono + 1


def test_a_failed_removal_of_an_entry_that_is_gone_means_nothing() -> None:
    scene = Scene()
    row = scene.row(replicas=0)
    operation = leaving(scene, row, Why.LEFTOVER)
    scene.ledger.clear()
    scene.comes_of(operation, OperationFailed(failure(FailureClass.OTHER)))
    made = scene.plan()
    assert made.folded == (operation.id,)
    assert not made.writes


def test_outcomes_of_a_purged_row_are_let_go() -> None:
    scene = Scene()
    row = scene.row(Status.DELETED, row_id="purged")
    operation = starting(scene, row)
    instance = scene.found(row, scene.ledger[operation.action.name])
    scene.comes_of(operation, Started(instance))
    scene.rows.clear()
    scene.ledger.clear()
    scene.row()
    made = scene.plan()
    assert made.folded == (operation.id,)
