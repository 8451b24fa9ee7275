"""Closing the gap between what a row is to have and what it has."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from ring.core.model.ledger import Phase, Why
from ring.core.model.observed import Exit, State, Unknown
from ring.core.model.operations import InspectInstance, RemoveInstance, StartInstance
from ring.core.model.status import FINAL, Status
from ring.core.plan.planner import plan
from ring.core.plan.scaling import MOST_AT_ONCE
from ring.core.plan.view import Now
from tests.core.plan.builders import Scene, actions, after, is_empty, reasons, spec

PORTS = [{"published": 8080, "target": 80}]


# what is missing


def test_a_new_row_gets_all_its_instances_at_once() -> None:
    scene = Scene()
    row = scene.row(Status.CREATING, replicas=3)
    made = scene.step()
    starts = actions(made, StartInstance)
    assert len(starts) == len(made.actions) == 3
    assert {entry.name for entry in made.put_entries} == {one.name for one in starts}
    assert {entry.phase for entry in made.put_entries} == {Phase.CREATING}
    assert all(re.fullmatch("media_web_[0-9a-f]{8}", one.name) for one in starts)
    assert not any(one.resume for one in starts)
    assert made.events == ()
    assert made.rows == ()
    assert made.reasons[row.id] == "creating 3 of 3 instances"
    assert is_empty(scene.step())


def test_an_endless_count_is_created_a_part_at_a_time() -> None:
    scene = Scene()
    row = scene.row(Status.CREATING, replicas=4_294_967_295)
    assert len(actions(scene.step(), StartInstance)) == MOST_AT_ONCE
    first, *others = scene.flying(StartInstance)
    assert is_empty(scene.step())
    scene.started(first)
    made = scene.step()
    assert len(actions(made, StartInstance)) == 1
    assert made.reasons[row.id] == "creating 4294967039 of 4294967295 instances"
    assert len(scene.flying(StartInstance)) == len(others) + 1


def test_what_is_in_flight_is_not_missing() -> None:
    scene = Scene()
    row = scene.row(replicas=4)
    scene.up(row)
    scene.up(row, Phase.SETTLING)
    entry = scene.entry(row, Phase.CREATING)
    scene.in_flight(StartInstance(row.id, entry.name))
    assert len(actions(scene.plan(), StartInstance)) == 1


def test_a_name_that_is_taken_is_drawn_again() -> None:
    scene = Scene()
    row = scene.row()
    scene.row(Status.DELETED, row_id="other")
    foreign = scene.found(row, None, State.RUNNING)
    scene.held["docker"][foreign.name] = replace(foreign, deployment_id=scene.rows[row.id].id)
    entry = scene.entry(row, Phase.STOPPING)
    draws = iter([entry.name[-8:], foreign.name[-8:], "ffffffff"])
    scene.rows = {row.id: replace(row, spec=row.spec.model_copy(update={"replicas": 2}))}
    made = plan(scene.view(), Now(scene.mono, scene.wall()), lambda: next(draws))
    assert [one.name for one in actions(made, StartInstance)] == ["media_web_ffffffff"]


@pytest.mark.parametrize("status", sorted(FINAL - {Status.INSUFFICIENT_RESOURCES}))
def test_a_final_row_gets_nothing(status: Status) -> None:
    scene = Scene()
    row = scene.row(status)
    made = scene.plan()
    assert is_empty(made)
    assert made.reasons[row.id] == f"1 of 1 instances missing: the deployment is {status}"


def test_a_halted_row_gets_nothing() -> None:
    scene = Scene()
    row = scene.row(Status.ERROR, halt_reason="no such image")
    made = scene.plan()
    assert is_empty(made)
    assert made.reasons[row.id] == "1 of 1 instances missing: halted: no such image"


def test_a_row_that_wants_nothing_runs_with_nothing() -> None:
    scene = Scene()
    row = scene.row(Status.CREATING, replicas=0)
    made = scene.step()
    assert reasons(made) == ["state_transition"]
    assert made.events[0].message == "creating → running with 0 live instances"
    assert scene.now(row).status is Status.RUNNING
    assert made.actions == ()
    assert is_empty(scene.step())


# ports


@pytest.mark.parametrize("phase", [Phase.STOPPING, Phase.COUNTED])
def test_a_port_waits_for_the_removal_of_who_holds_it(phase: Phase) -> None:
    scene = Scene()
    row = scene.row(spec=spec(ports=PORTS))
    leaving = scene.ended(row, phase=phase)
    made = scene.step()
    assert [type(one) for one in made.actions] == [RemoveInstance]
    assert made.reasons[row.id] == (
        "1 of 1 instances missing: the instance that holds its ports is still being removed"
    )
    assert leaving.name in scene.ledger
    scene.comes_away()
    assert [type(one) for one in scene.step().actions] == [StartInstance]


def test_without_ports_a_replacement_starts_beside_the_removal() -> None:
    scene = Scene()
    row = scene.row()
    scene.ended(row, phase=Phase.COUNTED)
    assert {type(one) for one in scene.plan().actions} == {RemoveInstance, StartInstance}


# generations


def test_a_new_row_waits_until_the_replaced_one_has_nothing_left() -> None:
    scene = Scene()
    old = scene.row(Status.DELETED, row_id="old")
    scene.up(old)
    new = scene.row(Status.CREATING, row_id="new")
    made = scene.step()
    assert {one.deployment_id for one in made.actions} == {old.id}
    assert made.reasons[new.id] == (
        "1 of 1 instances missing: an older revision is still being removed"
    )
    scene.comes_away()
    made = scene.step()
    assert [one.deployment_id for one in actions(made, StartInstance)] == [new.id]


def test_an_instance_without_an_entry_holds_the_next_generation_back_too() -> None:
    scene = Scene()
    old = scene.row(Status.DELETED, row_id="old")
    instance = scene.up(old)
    asked = scene.in_flight(RemoveInstance(old.id, instance.name, instance.id, 10.0))
    scene.ledger.clear()
    new = scene.row(Status.CREATING, row_id="new")
    made = scene.plan()
    assert asked.action.deployment_id == old.id
    assert made.reasons[new.id].endswith("an older revision is still being removed")


def test_a_generation_on_a_runtime_that_does_not_answer_holds_the_next_one_back() -> None:
    scene = Scene()
    scene.held["podman"] = {}
    scene.unknown["podman"] = Unknown("no answer")
    scene.row(Status.DELETED, row_id="old", spec=spec(runtime="podman"))
    new = scene.row(Status.CREATING, row_id="new")
    made = scene.plan()
    assert made.actions == ()
    assert made.reasons[new.id].endswith("an older revision is still being removed")


def test_a_generation_on_a_runtime_that_is_not_enabled_holds_nobody_back() -> None:
    scene = Scene()
    old = scene.row(Status.DELETED, row_id="old", spec=spec(runtime="podman"))
    scene.entry(old, Phase.STOPPING)
    new = scene.row(Status.CREATING, row_id="new")
    assert [one.deployment_id for one in scene.plan().actions] == [new.id]


def test_an_older_row_that_is_not_deleted_holds_nobody_back() -> None:
    scene = Scene()
    old = scene.row(row_id="old")
    scene.up(old)
    new = scene.row(Status.CREATING, row_id="new")
    assert [one.deployment_id for one in scene.plan().actions] == [new.id]


# what is too many


def test_scaling_down_removes_the_newest_and_leaves_the_others_alone() -> None:
    scene = Scene()
    row = scene.row(replicas=2)
    born = {scene.up(row, born=seconds).name: seconds for seconds in (50, 10, 40, 20, 30)}
    made = scene.step()
    assert [born[one.name] for one in actions(made, RemoveInstance)] == [10, 20, 30]
    assert {one.grace_s for one in actions(made, RemoveInstance)} == {10.0}
    assert all(one.stop for one in actions(made, RemoveInstance))
    assert {(e.phase, e.reason) for e in made.put_entries} == {(Phase.STOPPING, Why.SCALE_DOWN)}
    assert made.reasons[row.id] == "removing 3 of 5 instances"
    assert made.events == ()
    assert is_empty(scene.step())
    scene.comes_away()
    assert [event.message[:40] for event in scene.step().events] == [
        "Scaled down from 5 to 4 replicas: remove",
        "Scaled down from 4 to 3 replicas: remove",
        "Scaled down from 3 to 2 replicas: remove",
    ]
    assert scene.now(row).restart_count == 0


def test_of_two_born_at_once_the_smaller_id_goes() -> None:
    scene = Scene()
    row = scene.row(replicas=1)
    first, second = scene.up(row), scene.up(row)
    (gone,) = actions(scene.plan(), RemoveInstance)
    assert gone.instance_id == min(first.id, second.id)


def test_what_is_not_confirmed_goes_before_what_lives() -> None:
    scene = Scene()
    row = scene.row(Status.CREATING, replicas=1)
    scene.up(row, born=5)
    settling = scene.up(row, Phase.SETTLING, born=50)
    creating = scene.entry(row, Phase.CREATING)
    operation = scene.in_flight(StartInstance(row.id, creating.name))
    made = scene.step()
    assert made.cancel == (operation.id,)
    assert {e.name: e.reason for e in made.put_entries} == {
        creating.name: Why.FAILED_CREATE,
        settling.name: Why.SCALE_DOWN,
    }


def test_what_is_dead_goes_before_what_lives() -> None:
    scene = Scene()
    row = scene.row(replicas=1)
    scene.up(row, born=5)
    dead = scene.found(row, scene.entry(row), State.EXITED, born=50)
    assert scene.plan().actions == (RemoveInstance(row.id, dead.name, dead.id, 10.0, stop=False),)


def test_a_create_that_was_to_be_resumed_and_is_too_many_is_not_begun() -> None:
    scene = Scene()
    row = scene.row(replicas=1)
    scene.up(row)
    entry = scene.entry(row, Phase.CREATING)
    made = scene.step()
    assert made.actions == (RemoveInstance(row.id, entry.name, None, 10.0),)
    assert scene.ledger[entry.name].phase is Phase.STOPPING


def test_only_the_surplus_of_what_is_resumed_is_given_up() -> None:
    scene = Scene()
    row = scene.row(Status.CREATING, replicas=1)
    scene.entry(row, Phase.CREATING)
    scene.entry(row, Phase.CREATING)
    made = scene.plan()
    assert len(actions(made, StartInstance)) == 1
    assert len(actions(made, RemoveInstance)) == 1


def test_a_removal_that_waits_for_its_next_try_wakes_the_group() -> None:
    scene = Scene()
    row = scene.row(replicas=0)
    entry = scene.entry(row, Phase.STOPPING)
    scene.memory = replace(scene.memory, retry_at={entry.name: (1, scene.mono + 1)})
    made = scene.plan()
    assert made.actions == ()
    assert made.wake_at == scene.mono + 1


def test_an_entry_of_a_live_instance_that_ends_is_stopped_and_removed_by_its_id() -> None:
    scene = Scene()
    row = scene.row(replicas=0)
    instance = scene.up(row)
    scene.ledger[instance.name] = replace(
        scene.ledger[instance.name], phase=Phase.STOPPING, instance_id=None
    )
    assert scene.plan().actions == (RemoveInstance(row.id, instance.name, instance.id, 10.0),)


# creates that a killed server had announced


@pytest.mark.parametrize(
    "status", [Status.CREATE_CONTAINER_ERROR, Status.COMPLETED, Status.RUNNING]
)
def test_what_may_not_be_resumed_is_removed_by_name(status: Status) -> None:
    scene = Scene()
    row = scene.row(
        status,
        halt_reason="exit code 127" if status is Status.CREATE_CONTAINER_ERROR else None,
        next_create_at=scene.wall(-10) if status is Status.RUNNING else None,
    )
    entry = scene.entry(row, Phase.CREATING)
    made = scene.step()
    assert made.actions == (RemoveInstance(row.id, entry.name, None, 10.0),)
    assert scene.ledger[entry.name].phase is Phase.STOPPING
    assert after(made, row).restart_count == 0


# settling


def test_what_settles_is_inspected_after_the_whole_delay_by_a_server_that_saw_no_start() -> None:
    scene = Scene()
    row = scene.row(Status.CREATING)
    instance = scene.up(row, Phase.SETTLING)
    made = scene.step()
    assert made.actions == ()
    assert made.wake_at == pytest.approx(scene.mono + 0.3)
    scene.until(made)
    assert scene.plan().actions == (
        InspectInstance(row.id, instance.name, instance.id, settle=True),
    )


def test_what_has_ended_is_not_inspected_to_be_confirmed() -> None:
    scene = Scene()
    row = scene.row(Status.CREATING)
    instance = scene.found(row, scene.entry(row, Phase.SETTLING), State.EXITED)
    assert scene.plan().actions == (InspectInstance(row.id, instance.name, instance.id),)


def test_what_is_being_inspected_is_not_inspected_again() -> None:
    scene = Scene()
    row = scene.row(Status.CREATING)
    instance = scene.up(row, Phase.SETTLING)
    scene.in_flight(InspectInstance(row.id, instance.name, instance.id, settle=True))
    assert is_empty(scene.plan())


def test_what_is_asked_about_its_end_is_not_asked_twice() -> None:
    scene = Scene()
    row = scene.row()
    instance = scene.found(row, scene.entry(row), State.EXITED, end=None)
    scene.in_flight(InspectInstance(row.id, instance.name, instance.id))
    assert is_empty(scene.plan())
    scene.held["docker"][instance.name] = replace(instance, exit=Exit(1, scene.wall()))
    assert reasons(scene.plan()) == ["container_crashed"]


def test_the_newest_goes_by_what_was_learnt_exactly_not_by_what_a_listing_tells() -> None:
    scene = Scene()
    row = scene.row(replicas=1)
    first, second, third = (scene.up(row, born=60.0) for _ in range(3))
    for number, one in enumerate((second, first, third)):
        entry = scene.ledger[one.name]
        scene.ledger[one.name] = replace(entry, born=scene.wall(60.0 - number / 10))
    scene.step()
    kept = [name for name, entry in scene.ledger.items() if entry.phase is Phase.LIVE]
    assert kept == [second.name]
