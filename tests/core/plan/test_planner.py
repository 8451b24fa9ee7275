"""The whole of a pass: order, status, runtimes that do not answer, nothing to do."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ring.core.model.events import Level
from ring.core.model.ledger import Phase
from ring.core.model.observed import State, Unknown
from ring.core.model.operations import Inspected, InspectInstance, StartInstance
from ring.core.model.status import RETRIED, Status
from ring.core.plan.view import Memory
from tests.core.plan.builders import Scene, actions, after, is_empty, reasons, spec, the_event, told


def test_a_row_as_it_should_be_gives_an_empty_plan() -> None:
    scene = Scene()
    row = scene.row(replicas=3, image_digest="sha256:abc")
    for _ in range(3):
        scene.up(row)
    made = scene.step()
    assert is_empty(made)
    assert made.wake_at is None
    assert made.based_on == (row,)
    assert made.reasons == {row.id: "nothing to do: 3 of 3 instances live"}


def test_a_group_without_rows_gives_an_empty_plan() -> None:
    assert is_empty(Scene().plan())


@pytest.mark.parametrize("status", [Status.PENDING, Status.CREATING])
def test_pending_is_creating(status: Status) -> None:
    scene = Scene()
    row = scene.row(status)
    instance = scene.up(row, Phase.SETTLING)
    asked = scene.in_flight(InspectInstance(row.id, instance.name, instance.id, settle=True))
    scene.comes_of(asked, Inspected(instance))
    made = scene.plan()
    assert after(made, row).status is Status.RUNNING
    assert the_event(made, "state_transition").message.startswith("creating → running with 1")


def test_what_is_still_being_inspected_is_confirmed_by_its_own_answer() -> None:
    scene = Scene()
    row = scene.row(Status.CREATING, replicas=3)
    first, second, dead = (scene.up(row, Phase.SETTLING) for _ in range(3))
    scene.found(row, scene.ledger[dead.name], State.EXITED)
    asked = [
        scene.in_flight(InspectInstance(row.id, one.name, one.id, settle=True))
        for one in (first, second)
    ]
    scene.comes_of(asked[0], Inspected(first))
    scene.step()
    assert scene.now(row).status is Status.RUNNING
    assert scene.phases(row) == [Phase.LIVE, Phase.SETTLING, Phase.SETTLING]
    scene.comes_of(asked[1], Inspected(second))
    scene.step()
    assert scene.phases(row)[:2] == [Phase.LIVE, Phase.LIVE]


# leaving an error


@pytest.mark.parametrize("status", sorted(RETRIED))
def test_a_create_that_works_leaves_the_error_for_creating(status: Status) -> None:
    scene = Scene()
    row = scene.row(status, restart_count=1)
    scene.step()
    scene.started(scene.operations[0])
    made = scene.step()
    assert reasons(made) == ["scale_up"]
    assert scene.now(row).status is Status.CREATING


@pytest.mark.parametrize("status", sorted(RETRIED))
def test_a_row_that_ran_before_leaves_the_error_for_running_when_it_is_confirmed(
    status: Status,
) -> None:
    scene = Scene()
    row = scene.row(status, was_running=True, restart_count=1)
    scene.step()
    instance = scene.started(scene.operations[0])
    scene.until(scene.step())
    assert scene.now(row).status is status
    scene.step()
    scene.comes_of(scene.operations[0], Inspected(instance))
    made = scene.step()
    assert scene.now(row).status is Status.RUNNING
    assert the_event(made, "state_transition").message == (
        f"{status} → creating → running with 1 live instance"
    )


def test_one_confirmed_create_leaves_the_error_though_more_are_missing() -> None:
    scene = Scene()
    row = scene.row(Status.NETWORK_ERROR, replicas=3, was_running=True, restart_count=1)
    scene.up(row)
    second = scene.up(row, Phase.SETTLING)
    asked = scene.in_flight(InspectInstance(row.id, second.name, second.id, settle=True))
    scene.comes_of(asked, Inspected(second))
    assert after(scene.plan(), row).status is Status.RUNNING


def test_an_error_with_instances_missing_stays() -> None:
    scene = Scene()
    row = scene.row(Status.NETWORK_ERROR, replicas=2, was_running=True, restart_count=1)
    scene.up(row)
    made = scene.plan()
    assert after(made, row).status is Status.NETWORK_ERROR
    assert len(actions(made, StartInstance)) == 1


def test_an_error_ends_when_nothing_is_missing_any_more() -> None:
    scene = Scene()
    row = scene.row(Status.NETWORK_ERROR, was_running=True, restart_count=1)
    scene.up(row)
    assert after(scene.plan(), row).status is Status.RUNNING


def test_a_halted_row_keeps_its_status_whatever_lives() -> None:
    scene = Scene()
    row = scene.row(Status.IMAGE_PULL_BACK_OFF, halt_reason="no such image")
    scene.up(row)
    assert is_empty(scene.plan())


def test_a_running_row_that_loses_everything_stays_running() -> None:
    scene = Scene()
    row = scene.row(replicas=2)
    scene.ended(row)
    scene.ended(row)
    assert after(scene.plan(), row).status is Status.RUNNING


# runtimes that cannot be asked


def test_a_runtime_that_does_not_answer_changes_nothing() -> None:
    scene = Scene()
    row = scene.row(replicas=3, restart_count=4, next_create_at=scene.wall(5))
    scene.ended(row)
    scene.entry(row, Phase.CREATING)
    scene.unknown["docker"] = Unknown("connection refused")
    made = scene.step()
    assert told(made) == [(Level.WARNING, "runtime_unavailable", "docker")]
    assert "docker runtime does not answer" in made.events[0].message
    assert replace(made, events=(), reasons={}, based_on=(), memory=Memory()) == type(made)()
    assert made.reasons[row.id] == made.events[0].message


def test_a_runtime_not_asked_yet_is_no_news() -> None:
    scene = Scene()
    scene.row(Status.CREATING)
    scene.unknown["docker"] = Unknown("not asked yet", tried=False)
    made = scene.plan()
    assert made.events == ()
    assert is_empty(made)


def test_a_runtime_that_is_not_enabled_is_told_and_changes_nothing() -> None:
    scene = Scene()
    row = scene.row(Status.CREATING, spec=spec(runtime="podman"))
    made = scene.plan()
    assert told(made) == [(Level.WARNING, "runtime_unavailable", "podman")]
    assert "podman runtime is not enabled on this server" in made.events[0].message
    assert (made.rows, made.actions) == ((), ())
    assert made.reasons[row.id] == made.events[0].message


def test_a_deleted_row_of_a_runtime_that_does_not_answer_stays() -> None:
    scene = Scene()
    row = scene.row(Status.DELETED)
    scene.unknown["docker"] = Unknown("connection refused")
    scene.wait(60)
    made = scene.plan()
    assert made.purge == ()
    assert after(made, row) == row


def test_outcomes_are_kept_until_the_runtime_answers() -> None:
    scene = Scene()
    row = scene.row(Status.CREATING)
    entry = scene.entry(row, Phase.CREATING)
    scene.started(scene.in_flight(StartInstance(row.id, entry.name)))
    scene.unknown["docker"] = Unknown("connection refused")
    assert scene.step().folded == ()
    del scene.unknown["docker"]
    assert reasons(scene.step()) == ["scale_up"]


# memory


def test_what_is_remembered_of_rows_and_names_that_are_gone_is_let_go() -> None:
    scene = Scene()
    row = scene.row()
    instance = scene.up(row)
    gone_row = {type(row.id)("gone"): 1.0}
    gone_name = type(instance.name)("gone")
    scene.memory = Memory(
        due={type(row.id)("gone"): (scene.wall(), 1.0)},
        hold=gone_row,
        healthy_since=gone_row,
        batch_end=gone_row,
        settle_at={gone_name: 1.0},
        retry_at={gone_name: (1, 1.0)},
        put_back={gone_name: (1, 1.0)},
        empty_since=gone_row,
        deleted_since=gone_row,
    )
    assert scene.plan().memory == Memory()
