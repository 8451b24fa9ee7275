"""The end of a row: everything it has goes, then the row."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ring.core.model.events import Level
from ring.core.model.failures import FailureClass
from ring.core.model.ids import InstanceId
from ring.core.model.ledger import Phase, Why
from ring.core.model.observed import State
from ring.core.model.operations import (
    InspectInstance,
    OperationFailed,
    RemoveInstance,
    StartInstance,
)
from ring.core.model.status import Status
from tests.core.plan.builders import (
    Scene,
    actions,
    failure,
    is_empty,
    reasons,
    spec,
    the_event,
    told,
)


def test_everything_a_deleted_row_has_is_stopped_and_removed() -> None:
    scene = Scene()
    row = scene.row(Status.DELETED, replicas=3)
    live, settling = scene.up(row), scene.up(row, Phase.SETTLING)
    dead = scene.ended(row, phase=Phase.COUNTED)
    stray = scene.found(row, None)
    creating = scene.entry(row, Phase.CREATING)
    operation = scene.in_flight(StartInstance(row.id, creating.name))
    made = scene.step()
    assert told(made) == [(Level.INFO, "container_deletion", "docker")]
    assert made.events[0].message == "Removing 4 instances of worker 'web'"
    assert made.cancel == (operation.id,)
    assert {one.name: one.stop for one in actions(made, RemoveInstance)} == {
        live.name: True,
        settling.name: True,
        dead.name: False,
        stray.name: True,
    }
    assert all(one.grace_s == 10 for one in actions(made, RemoveInstance))
    assert {e.reason for e in made.put_entries} == {Why.DELETE}
    assert made.rows == ()
    assert made.reasons[row.id] == "its instances are being removed"


@pytest.mark.parametrize(
    ("written", "grace_s"),
    [("2s", 2), ("0s", 0), ("750ms", 0.75), ("10m", 600), ("2h", 600), ("soon", 10), (None, 10)],
)
def test_everything_that_is_stopped_has_the_grace_of_its_row(
    written: str | None, grace_s: float
) -> None:
    scene = Scene()
    wanted = spec(stop_grace_period=written)
    gone = scene.row(Status.DELETED, spec=wanted)
    kept = scene.row(row_id="kept", spec=wanted.model_copy(update={"replicas": 0}))
    entries = [
        scene.up(gone),
        scene.ended(gone, phase=Phase.COUNTED),
        scene.found(gone, None),
        scene.up(kept, Phase.STOPPING),
        scene.up(kept),
    ]
    removals = actions(scene.step(), RemoveInstance)
    assert {one.name for one in removals} == {one.name for one in entries}
    assert {one.grace_s for one in removals} == {grace_s}


def test_one_instance_is_told_as_one() -> None:
    scene = Scene()
    row = scene.row(Status.DELETED)
    scene.up(row)
    assert scene.plan().events[0].message == "Removing 1 instance of worker 'web'"


def test_a_row_that_has_nothing_tells_no_removal() -> None:
    scene = Scene()
    scene.row(Status.DELETED)
    assert told(scene.plan()) == [(Level.INFO, "cleanup_scheduled", "scheduler")]


def test_a_create_in_flight_is_cancelled_and_what_it_left_is_removed() -> None:
    scene = Scene()
    row = scene.row(Status.DELETED)
    entry = scene.entry(row, Phase.CREATING)
    operation = scene.in_flight(StartInstance(row.id, entry.name))
    made = scene.plan()
    assert made.cancel == (operation.id,)
    assert made.actions == ()
    scene.operations.remove(operation)
    scene.commit(replace(made, cancel=()))
    scene.operations.append(operation)
    scene.refused(operation, FailureClass.CANCELLED, clean=False)
    made = scene.step()
    assert made.actions == (RemoveInstance(row.id, entry.name, None, 10.0),)


def test_a_create_that_a_killed_server_had_begun_is_removed_by_name() -> None:
    scene = Scene()
    row = scene.row(Status.DELETED)
    entry = scene.entry(row, Phase.CREATING)
    made = scene.step()
    assert made.actions == (RemoveInstance(row.id, entry.name, None, 10.0),)


@pytest.mark.parametrize("halted", [True, False])
def test_neither_a_halt_nor_a_wait_delays_a_removal(halted: bool) -> None:
    scene = Scene()
    row = scene.row(
        Status.DELETED,
        restart_count=9,
        halt_reason="no such image" if halted else None,
        next_create_at=scene.wall(-300),
    )
    scene.up(row)
    assert len(actions(scene.plan(), RemoveInstance)) == 1


def test_the_ends_of_a_deleted_row_mean_nothing() -> None:
    scene = Scene()
    row = scene.row(Status.DELETED, replicas=3)
    scene.ended(row, 127)
    scene.ended(row, 0)
    scene.found(row, scene.entry(row), State.EXITED)
    made = scene.step()
    assert reasons(made) == ["container_deletion"]
    assert made.rows == ()
    assert [one.stop for one in actions(made, RemoveInstance)] == [False] * 3


def test_a_row_is_purged_on_a_listing_newer_than_its_last_removal() -> None:
    scene = Scene()
    row = scene.row(Status.DELETED)
    scene.up(row)
    scene.step()
    scene.passed += 5
    scene.comes_away()
    made = scene.step()
    assert told(made) == [(Level.INFO, "cleanup_scheduled", "scheduler")]
    assert made.purge == ()
    assert made.refresh == frozenset({"docker"})
    assert made.reasons[row.id] == "purged once the runtime confirms that nothing is left"
    scene.wait(0.1)
    made = scene.step()
    assert made.purge == (row,)
    assert made.events == ()
    assert scene.rows == {}


def test_a_deleted_row_can_be_seen_for_two_seconds() -> None:
    scene = Scene()
    row = scene.row(Status.DELETED)
    made = scene.step()
    assert made.purge == ()
    assert made.wake_at == scene.mono + 2
    assert made.reasons[row.id] == "purged soon"
    scene.wait(1.9)
    assert scene.step().purge == ()
    scene.wait(0.1)
    assert scene.step().purge == (row,)


def test_the_two_seconds_begin_when_the_deletion_is_seen_not_when_the_removal_ends() -> None:
    scene = Scene()
    scene.row(Status.DELETED)
    row = next(iter(scene.rows.values()))
    scene.up(row)
    scene.step()
    scene.wait(8)
    scene.comes_away()
    scene.step()
    scene.wait(0.01)
    assert scene.step().purge == (row,)


def test_what_turns_up_again_is_removed_before_the_purge() -> None:
    scene = Scene()
    row = scene.row(Status.DELETED)
    scene.step()
    late = scene.found(row, None)
    scene.wait(3)
    made = scene.step()
    assert made.purge == ()
    assert [one.name for one in actions(made, RemoveInstance)] == [late.name]
    assert scene.memory.empty_since == {}
    scene.comes_away()
    assert the_event(scene.step(), "cleanup_scheduled")
    scene.wait(0.1)
    assert scene.step().purge == (row,)


def test_an_operation_in_flight_holds_the_purge_back() -> None:
    scene = Scene()
    row = scene.row(Status.DELETED)
    entry = scene.entry(row, Phase.STOPPING, instance_id="c" * 64)
    assert entry.instance_id is not None
    scene.in_flight(InspectInstance(row.id, entry.name, entry.instance_id))
    scene.ledger.clear()
    scene.wait(3)
    made = scene.step()
    assert made.purge == ()
    assert made.reasons[row.id] == "its instances are being removed"


def test_an_instance_without_an_entry_that_is_being_removed_is_not_marked_again() -> None:
    scene = Scene()
    row = scene.row(Status.DELETED)
    instance = scene.up(row)
    scene.ledger.clear()
    scene.in_flight(RemoveInstance(row.id, instance.name, instance.id, 10.0))
    assert is_empty(scene.plan())


def test_a_removal_that_fails_is_told_and_tried_again() -> None:
    scene = Scene()
    row = scene.row(Status.DELETED)
    instance = scene.up(row)
    scene.step()
    for wait_s in (1, 2, 4):
        scene.comes_of(scene.operations[0], OperationFailed(failure(FailureClass.OTHER, "busy")))
        made = scene.step()
        assert told(made) == [(Level.ERROR, "teardown_failed", "docker")]
        assert made.wake_at == scene.mono + wait_s
        scene.until(made)
        assert [one.name for one in actions(scene.step(), RemoveInstance)] == [instance.name]


def test_a_killed_server_forgets_only_the_moment_of_the_deletion() -> None:
    scene = Scene()
    row = scene.row(Status.DELETED)
    instance = scene.up(row)
    scene.step()
    scene.forgotten()
    made = scene.step()
    assert made.events == ()
    assert made.actions == (RemoveInstance(row.id, instance.name, instance.id, 10.0),)


def test_what_is_seen_under_the_name_is_removed_not_what_the_entry_remembers() -> None:
    scene = Scene()
    row = scene.row(Status.DELETED)
    instance = scene.up(row)
    entry = scene.ledger[instance.name]
    scene.ledger[instance.name] = replace(entry, instance_id=InstanceId("before the kill"))
    (removal,) = actions(scene.step(), RemoveInstance)
    assert removal.instance_id == instance.id
