"""What is found without an entry, what died and what that means, what vanished."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from ring.core.model.events import Level
from ring.core.model.ids import InstanceId, InstanceName
from ring.core.model.ledger import Phase, Why
from ring.core.model.observed import Exit, State
from ring.core.model.operations import (
    Inspected,
    InspectInstance,
    RemoveInstance,
    Started,
    StartInstance,
)
from ring.core.model.status import Status
from tests.core.plan.builders import Scene, actions, after, is_empty, reasons, the_event, told

if TYPE_CHECKING:
    from ring.core.model.observed import Instance

# crashes


def test_a_crash_of_a_running_row_counts_and_is_replaced_at_once() -> None:
    scene = Scene()
    row = scene.row()
    dead = scene.ended(row, 3)
    made = scene.step()
    assert told(made) == [(Level.ERROR, "container_crashed", "docker")]
    assert made.events[0].message == (
        f"Instance {dead.id[:12]} exited with code 3 (restart count 1 of 5; next attempt at once)"
    )
    assert scene.now(row).status is Status.RUNNING
    assert scene.now(row).restart_count == 1
    assert scene.now(row).counted_death_at == scene.wall()
    assert scene.now(row).next_create_at is None
    (start,) = actions(made, StartInstance)
    assert start.name != dead.name
    assert actions(made, RemoveInstance) == [
        RemoveInstance(row.id, dead.name, dead.id, 10.0, stop=False)
    ]
    assert scene.ledger[dead.name].phase is Phase.COUNTED


def test_a_death_is_judged_once_also_after_a_kill_of_the_server() -> None:
    scene = Scene()
    row = scene.row()
    dead = scene.ended(row)
    scene.step()
    scene.forgotten()
    made = scene.step()
    assert made.events == ()
    assert scene.now(row).restart_count == 1
    assert [one.name for one in actions(made, RemoveInstance)] == [dead.name]


@pytest.mark.parametrize("code", [1, 2, 125, 128, 137, 143, 255])
def test_any_other_code_is_a_crash(code: int) -> None:
    scene = Scene()
    row = scene.row()
    scene.ended(row, code)
    made = scene.plan()
    assert reasons(made) == ["container_crashed"]
    assert f"exited with code {code} " in made.events[0].message
    assert after(made, row).restart_count == 1


def test_an_unknown_code_is_a_crash() -> None:
    scene = Scene()
    row = scene.row()
    scene.ended(row, None)
    assert "exited with code unknown" in scene.plan().events[0].message


def test_running_out_of_memory_is_told() -> None:
    scene = Scene()
    row = scene.row()
    scene.ended(row, 137, oom=True)
    made = scene.plan()
    assert "ran out of memory" in made.events[0].message
    assert after(made, row).restart_count == 1


def test_a_stop_from_outside_that_had_to_kill_is_a_crash() -> None:
    scene = Scene()
    row = scene.row()
    scene.ended(row, 143, signalled=True)
    assert after(scene.plan(), row).restart_count == 1


def test_a_death_while_settling_is_a_crash_like_any_other() -> None:
    scene = Scene()
    row = scene.row(Status.CREATING)
    dead = scene.ended(row, 1, phase=Phase.SETTLING, born=0.1)
    made = scene.step()
    assert reasons(made) == ["liveness_unconfirmed", "container_crashed"]
    assert scene.now(row).status is Status.CREATING
    assert scene.now(row).restart_count == 1
    assert dead.name not in scene.memory.settle_at


def test_an_end_without_a_time_counts_by_itself() -> None:
    """The server's own clock may be another one than the engine's."""
    scene = Scene()
    row = scene.row(restart_count=1, counted_death_at=scene.wall())
    dead = scene.ended(row, 1)
    scene.held["docker"][dead.name] = replace(dead, exit=Exit(1, None))
    made = scene.plan()
    assert after(made, row).restart_count == 2
    assert after(made, row).counted_death_at == row.counted_death_at


# crash waves


def test_replicas_that_fall_together_count_once_and_are_all_told() -> None:
    scene = Scene()
    row = scene.row(replicas=5)
    for seconds in range(5):
        scene.ended(row, 1, died=4 - seconds)
    made = scene.step()
    assert reasons(made) == ["container_crashed"] * 5
    assert scene.now(row).restart_count == 1
    assert scene.now(row).counted_death_at == scene.wall(4)
    assert scene.now(row).status is Status.RUNNING
    assert len(actions(made, StartInstance)) == 5


def test_a_wave_is_remembered_across_a_kill_of_the_server() -> None:
    scene = Scene()
    row = scene.row(replicas=2)
    scene.ended(row, 1, died=3)
    late = scene.up(row)
    scene.step()
    scene.forgotten()
    scene.ends(late)
    scene.step()
    assert scene.now(row).restart_count == 1


def test_who_fell_later_is_no_part_of_the_wave() -> None:
    scene = Scene()
    row = scene.row(replicas=2)
    scene.ended(row, 1, died=5.1)
    scene.ended(row, 1, died=0)
    assert after(scene.plan(), row).restart_count == 2


def test_who_was_made_after_the_counted_death_is_no_part_of_the_wave() -> None:
    scene = Scene()
    row = scene.row(restart_count=1, counted_death_at=scene.wall(3))
    scene.ended(row, 1, born=2)
    assert after(scene.plan(), row).restart_count == 2


# what cannot be executed


@pytest.mark.parametrize(("code", "why"), [(126, "executed"), (127, "found")])
@pytest.mark.parametrize("status", [Status.CREATING, Status.RUNNING])
def test_a_program_that_cannot_run_halts_the_row(code: int, why: str, status: Status) -> None:
    scene = Scene()
    row = scene.row(status)
    dead = scene.ended(row, code)
    made = scene.step()
    assert told(made) == [
        (Level.ERROR, "container_crashed", "docker"),
        (Level.ERROR, "non_retryable_exit", "docker"),
    ]
    message = the_event(made, "non_retryable_exit").message
    assert dead.id[:12] in message
    assert f"cannot be {why}" in message
    assert scene.now(row).status is Status.CREATE_CONTAINER_ERROR
    assert scene.now(row).halt_reason == f"exit code {code}"
    assert scene.now(row).restart_count == 1
    assert actions(made, StartInstance) == []
    assert len(actions(made, RemoveInstance)) == 1


def test_a_halt_gives_up_what_is_being_created_and_keeps_what_lives() -> None:
    scene = Scene()
    row = scene.row(replicas=3)
    scene.ended(row, 127)
    living = scene.up(row)
    entry = scene.entry(row, Phase.CREATING)
    operation = scene.in_flight(StartInstance(row.id, entry.name))
    made = scene.plan()
    assert made.cancel == (operation.id,)
    assert living.name not in {one.name for one in made.put_entries}
    assert [one.phase for one in made.put_entries if one.name == entry.name] == [Phase.STOPPING]


def test_deaths_of_a_halted_row_are_reaped_and_not_counted() -> None:
    scene = Scene()
    row = scene.row(Status.IMAGE_PULL_BACK_OFF, replicas=2, halt_reason="no such image")
    dead = scene.ended(row, 1)
    made = scene.step()
    assert reasons(made) == ["container_crashed"]
    assert scene.now(row).restart_count == 0
    assert [one.name for one in actions(made, RemoveInstance)] == [dead.name]


def test_a_halted_row_stays_halted_for_its_first_reason() -> None:
    scene = Scene()
    row = scene.row(
        Status.INSUFFICIENT_RESOURCES, replicas=2, was_running=True, halt_reason="no memory left"
    )
    scene.ended(row, 127)
    made = scene.plan()
    assert reasons(made) == ["container_crashed", "non_retryable_exit"]
    assert after(made, row) == row


# finished work


def test_an_exit_with_0_retires_the_instance_and_completes_the_row() -> None:
    scene = Scene()
    row = scene.row()
    done = scene.ended(row, 0)
    made = scene.step()
    assert told(made) == [(Level.INFO, "container_completed", "docker")]
    assert done.id[:12] in made.events[0].message
    assert scene.now(row).status is Status.COMPLETED
    assert scene.now(row).retired_count == 1
    assert scene.now(row).restart_count == 0
    assert actions(made, StartInstance) == []
    assert len(actions(made, RemoveInstance)) == 1


def test_the_others_go_on_when_one_retires() -> None:
    scene = Scene()
    row = scene.row(replicas=3)
    scene.ended(row, 0)
    scene.up(row)
    scene.up(row)
    made = scene.step()
    assert scene.now(row).status is Status.RUNNING
    assert scene.now(row).retired_count == 1
    assert [type(one) for one in made.actions] == [RemoveInstance]


def test_the_last_to_retire_completes_the_row_while_it_is_created() -> None:
    scene = Scene()
    row = scene.row(Status.CREATING, replicas=2, retired_count=1, next_create_at=scene.wall(-30))
    scene.ended(row, 0, phase=Phase.SETTLING)
    made = scene.step()
    assert scene.now(row).status is Status.COMPLETED
    assert scene.now(row).next_create_at is None
    assert "state_transition" not in reasons(made)


def test_a_completed_row_stays_so() -> None:
    scene = Scene()
    scene.row(Status.COMPLETED, retired_count=1)
    assert is_empty(scene.plan())


def test_a_clean_stop_from_outside_is_replaced_uncounted() -> None:
    scene = Scene()
    row = scene.row()
    dead = scene.ended(row, 0, signalled=True)
    made = scene.step()
    assert told(made) == [(Level.WARNING, "container_stopped_externally", "docker")]
    assert dead.id[:12] in made.events[0].message
    assert scene.now(row) == row
    assert len(actions(made, StartInstance)) == 1


# nobody watched


@pytest.mark.parametrize("code", [0, 1, 127, None])
def test_what_ended_unwatched_is_replaced_uncounted_and_told_once(code: int | None) -> None:
    scene = Scene()
    row = scene.row(replicas=5)
    for _ in range(5):
        scene.ended(row, code, missed=True)
    made = scene.step()
    assert told(made) == [(Level.INFO, "instances_recovered", "docker")]
    assert "5 ended while Ring was not watching" in made.events[0].message
    assert scene.now(row) == row
    assert len(actions(made, StartInstance)) == 5
    assert len(actions(made, RemoveInstance)) == 5


def test_what_was_removed_from_outside_is_replaced_uncounted_and_told_once() -> None:
    scene = Scene()
    row = scene.row(replicas=3)
    scene.up(row)
    lost = [scene.entry(row, instance_id="d" * 64), scene.entry(row, Phase.SETTLING)]
    made = scene.step()
    assert told(made) == [(Level.INFO, "instances_recovered", "docker")]
    assert "2 removed from outside Ring" in made.events[0].message
    assert set(made.drop_entries) == {entry.name for entry in lost}
    assert scene.now(row) == row
    assert len(actions(made, StartInstance)) == 2


def test_missed_and_vanished_are_told_in_one_event() -> None:
    scene = Scene()
    row = scene.row(replicas=2)
    scene.ended(row, missed=True)
    scene.entry(row)
    message = the_event(scene.plan(), "instances_recovered").message
    assert "1 ended while Ring was not watching, 1 removed from outside Ring" in message


def test_an_instance_somebody_is_at_work_on_has_not_vanished() -> None:
    scene = Scene()
    row = scene.row()
    entry = scene.entry(row, instance_id="e" * 64)
    assert entry.instance_id is not None
    scene.in_flight(InspectInstance(row.id, entry.name, entry.instance_id))
    assert is_empty(scene.plan())


# how it ended is not in a listing


def test_an_end_that_is_not_known_is_asked_for_before_it_is_judged() -> None:
    scene = Scene()
    row = scene.row()
    instance = scene.found(row, scene.entry(row), State.EXITED)
    made = scene.step()
    assert made.actions == (InspectInstance(row.id, instance.name, instance.id),)
    assert not made.writes
    assert is_empty(scene.step())
    told_now = replace(instance, exit=Exit(2, scene.wall()))
    scene.held["docker"][instance.name] = told_now
    scene.comes_of(scene.operations[0], Inspected(told_now))
    made = scene.step()
    assert reasons(made) == ["container_crashed"]
    assert scene.now(row).restart_count == 1


def test_an_end_that_cannot_be_asked_for_waits() -> None:
    scene = Scene()
    row = scene.row()
    instance = scene.found(row, scene.entry(row), State.EXITED)
    scene.memory = replace(scene.memory, retry_at={instance.name: (2, scene.mono + 2)})
    made = scene.plan()
    assert made.actions == ()
    assert made.wake_at == scene.mono + 2


def test_an_unknown_state_means_nothing() -> None:
    scene = Scene()
    row = scene.row()
    scene.found(row, scene.entry(row), State.UNKNOWN)
    assert is_empty(scene.plan())


@pytest.mark.parametrize("state", [State.STARTING, State.PAUSED])
def test_what_starts_or_pauses_is_present(state: State) -> None:
    scene = Scene()
    row = scene.row()
    scene.found(row, scene.entry(row), state)
    assert is_empty(scene.plan())


def test_an_entry_that_is_only_created_is_removed_and_replaced_uncounted() -> None:
    scene = Scene()
    row = scene.row()
    instance = scene.found(row, scene.entry(row), State.CREATED)
    made = scene.step()
    assert made.events == ()
    assert scene.now(row).restart_count == 0
    assert scene.ledger[instance.name].reason is Why.LEFTOVER
    assert [one.name for one in actions(made, RemoveInstance)] == [instance.name]
    assert len(actions(made, StartInstance)) == 1


# what Ring ends means nothing


@pytest.mark.parametrize("phase", [Phase.STOPPING, Phase.COUNTED])
@pytest.mark.parametrize("code", [0, 1, 127, 137])
def test_what_ring_ends_is_reaped_silently_also_after_a_kill(phase: Phase, code: int) -> None:
    scene = Scene()
    row = scene.row()
    scene.up(row)
    dead = scene.ended(row, code, phase=phase)
    scene.forgotten()
    made = scene.step()
    assert (made.events, made.rows) == ((), ())
    assert made.actions == (RemoveInstance(row.id, dead.name, dead.id, 10.0, stop=False),)


# adoption


@pytest.mark.parametrize(
    ("status", "phase"), [(Status.RUNNING, Phase.LIVE), (Status.CREATING, Phase.SETTLING)]
)
def test_a_live_instance_of_a_known_row_is_adopted(status: Status, phase: Phase) -> None:
    scene = Scene()
    row = scene.row(status)
    instance = scene.found(row, None)
    made = scene.step()
    entry = scene.ledger[instance.name]
    assert (entry.phase, entry.instance_id) == (phase, instance.id)
    assert actions(made, StartInstance) == []
    assert reasons(made) == []


@pytest.mark.parametrize("state", [State.EXITED, State.CREATED])
def test_a_dead_instance_without_an_entry_is_removed_unjudged(state: State) -> None:
    scene = Scene()
    row = scene.row()
    scene.up(row)
    instance = scene.found(row, None, state, end=Exit(1, scene.wall()))
    made = scene.step()
    assert made.events == ()
    assert scene.now(row).restart_count == 0
    assert made.actions == (RemoveInstance(row.id, instance.name, instance.id, 10.0, stop=False),)


def test_an_instance_that_is_just_being_made_is_not_adopted() -> None:
    scene = Scene()
    row = scene.row()
    entry = scene.entry(row, Phase.CREATING)
    scene.in_flight(StartInstance(row.id, entry.name))
    scene.found(row, entry, State.CREATED)
    assert is_empty(scene.plan())


def test_the_id_of_an_entry_is_learnt_from_the_listing() -> None:
    scene = Scene()
    row = scene.row()
    instance = scene.up(row)
    scene.ledger[instance.name] = replace(scene.ledger[instance.name], instance_id=None)
    made = scene.step()
    assert scene.ledger[instance.name].instance_id == instance.id
    assert made.actions == ()


# what a killed server had begun


def test_a_create_that_a_killed_server_finished_is_taken_up() -> None:
    scene = Scene()
    row = scene.row(Status.CREATING)
    entry = scene.entry(row, Phase.CREATING)
    instance = scene.found(row, entry)
    made = scene.step()
    assert reasons(made) == ["scale_up"]
    assert made.actions == ()  # its start may have been carried out a moment ago
    assert scene.ledger[entry.name].phase is Phase.SETTLING
    scene.until(made)
    assert scene.step().actions == (InspectInstance(row.id, entry.name, instance.id, settle=True),)


def test_a_create_that_a_killed_server_half_finished_goes_on() -> None:
    scene = Scene()
    row = scene.row(Status.CREATING)
    entry = scene.entry(row, Phase.CREATING)
    instance = scene.found(row, entry, State.CREATED)
    made = scene.step()
    assert made.actions == (StartInstance(row.id, entry.name, resume=True),)
    assert scene.ledger[entry.name].instance_id == instance.id


def test_a_create_that_a_killed_server_finished_and_that_ended_is_removed() -> None:
    scene = Scene()
    row = scene.row(Status.CREATING)
    entry = scene.entry(row, Phase.CREATING)
    scene.found(row, entry, State.EXITED)
    made = scene.step()
    assert made.events == ()
    assert scene.ledger[entry.name].phase is Phase.STOPPING
    assert len(actions(made, StartInstance)) == 1
    assert len(actions(made, RemoveInstance)) == 1


def test_a_create_that_a_killed_server_only_announced_goes_on_under_its_name() -> None:
    scene = Scene()
    row = scene.row(Status.CREATING, replicas=2)
    entries = [scene.entry(row, Phase.CREATING) for _ in range(2)]
    made = scene.step()
    assert made.actions == tuple(
        StartInstance(row.id, entry.name, resume=True) for entry in entries
    )
    for operation in list(scene.operations):
        instance = scene.found(row, scene.ledger[operation.action.name])
        scene.comes_of(operation, Started(instance))
    assert reasons(scene.step()) == ["scale_up", "scale_up"]


def test_an_instance_that_was_started_again_by_hand_is_not_asked_for_without_end() -> None:
    scene = Scene()
    row = scene.row(Status.RUNNING)
    instance = scene.up(row)
    dead = replace(instance, state=State.EXITED, exit=None)
    scene.held["docker"][instance.name] = dead
    assert [type(one) for one in scene.step().actions] == [InspectInstance]
    scene.comes_of(scene.operations[0], Inspected(instance))
    made = scene.step()
    assert made.actions == ()
    assert made.wake_at == scene.mono + 1


# renamed


def renamed(scene: Scene, instance: Instance) -> Instance:
    held = scene.held["docker"]
    del held[instance.name]
    again = replace(instance, name=InstanceName("favourite"))
    held[again.name] = again
    return again


@pytest.mark.parametrize("phase", [Phase.LIVE, Phase.SETTLING, Phase.STOPPING, Phase.COUNTED])
def test_an_instance_that_was_renamed_keeps_its_entry(phase: Phase) -> None:
    scene = Scene()
    row = scene.row(replicas=1 if phase in {Phase.LIVE, Phase.SETTLING} else 0)
    instance = scene.up(row, phase)
    again = renamed(scene, instance)
    made = scene.step()
    assert [entry.name for entry in scene.ledger.values()] == [again.name]
    assert scene.ledger[again.name].phase is phase
    event = the_event(made, "container_renamed")
    assert event.level is Level.WARNING
    assert instance.name in event.message
    assert again.name in event.message
    assert actions(made, StartInstance) == []
    assert scene.now(row).restart_count == 0
    assert "container_renamed" not in reasons(scene.step())


def test_what_settles_is_not_confirmed_sooner_for_being_renamed() -> None:
    scene = Scene()
    row = scene.row()
    instance = scene.up(row, Phase.SETTLING)
    due = scene.mono + 0.3
    scene.memory = replace(scene.memory, settle_at={instance.name: due})
    renamed(scene, instance)
    made = scene.step()
    assert actions(made, InspectInstance) == []
    assert made.wake_at == due
    scene.wait(0.3)
    assert len(actions(scene.step(), InspectInstance)) == 1


def test_a_renamed_instance_that_ended_is_judged_once() -> None:
    scene = Scene()
    row = scene.row()
    again = renamed(scene, scene.up(row))
    scene.ends(again, 3)
    scene.step()
    assert scene.now(row).restart_count == 1
    scene.step()
    assert scene.now(row).restart_count == 1


def test_a_renamed_instance_of_a_deleted_row_is_removed() -> None:
    scene = Scene()
    row = scene.row(Status.DELETED)
    again = renamed(scene, scene.up(row, Phase.STOPPING))
    made = scene.step()
    assert again.id in {action.instance_id for action in actions(made, RemoveInstance)}


def test_a_name_that_changes_under_an_operation_is_followed_when_that_has_ended() -> None:
    scene = Scene()
    row = scene.row()
    instance = scene.up(row)
    operation = scene.in_flight(InspectInstance(row.id, instance.name, instance.id))
    again = renamed(scene, instance)
    scene.step()
    scene.comes_of(operation, Inspected(again))
    scene.step()
    scene.step()
    assert again.name in scene.ledger
    assert instance.name not in scene.ledger


def test_two_instances_that_changed_names_keep_their_own_entries() -> None:
    scene = Scene()
    row = scene.row(replicas=1)
    leaving, staying = scene.up(row, Phase.STOPPING), scene.up(row)
    held = scene.held["docker"]
    held[staying.name] = replace(leaving, name=staying.name)
    held[leaving.name] = replace(staying, name=leaving.name)
    made = scene.step()
    assert scene.ledger[staying.name].phase is Phase.STOPPING
    assert scene.ledger[leaving.name].phase is Phase.LIVE
    assert [action.instance_id for action in actions(made, RemoveInstance)] == [leaving.id]
    assert scene.now(row).restart_count == 0


def test_another_instance_under_the_name_of_one_that_was_renamed_takes_nothing_over() -> None:
    """The genuine one goes on under its new name; the other one is the newest, and too many."""
    scene = Scene()
    row = scene.row(replicas=1)
    genuine = scene.up(row)
    held = scene.held["docker"]
    forged = replace(genuine, id=InstanceId("f" * 64), created_at=scene.wall(1))
    held[InstanceName("moved")] = replace(genuine, name=InstanceName("moved"))
    held[genuine.name] = forged
    made = scene.step()
    assert scene.ledger[InstanceName("moved")].phase is Phase.LIVE
    assert [action.instance_id for action in actions(made, RemoveInstance)] == [forged.id]


def test_another_instance_under_the_name_of_one_that_is_gone_is_another_one() -> None:
    scene = Scene()
    row = scene.row(replicas=1)
    gone = scene.up(row)
    entry = scene.ledger[gone.name]
    scene.ledger[gone.name] = replace(entry, born=scene.wall(3600))
    scene.held["docker"][gone.name] = replace(gone, id=InstanceId("f" * 64))
    made = scene.step()
    assert "instances_recovered" in reasons(made)
    taken = scene.ledger[gone.name]
    assert (taken.instance_id, taken.born) == ("f" * 64, None)
