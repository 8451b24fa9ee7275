"""Jobs: run once, judged once, kept for their logs, and never run twice."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ring.core.model.events import Level
from ring.core.model.failures import FailureClass
from ring.core.model.ledger import Phase, Why
from ring.core.model.observed import Exit, Instance, State
from ring.core.model.operations import (
    Inspected,
    InspectInstance,
    OperationFailed,
    RemoveInstance,
    StartInstance,
)
from ring.core.model.status import RETRIED, Status
from tests.core.plan.builders import (
    Scene,
    actions,
    after,
    failure,
    is_empty,
    reasons,
    spec,
    the_event,
    told,
)

JOB = spec(kind="job")


def running(scene: Scene) -> Instance:
    """A job whose instance runs."""
    return scene.up(scene.row(spec=JOB))


def begun(scene: Scene) -> None:
    """A new job whose instance is being created."""
    scene.row(Status.CREATING, spec=JOB)
    scene.step()


# its life


def test_a_job_is_running_as_soon_as_its_instance_has_started() -> None:
    scene = Scene()
    row = scene.row(Status.CREATING, spec=JOB)
    made = scene.step()
    assert len(actions(made, StartInstance)) == 1
    assert made.reasons[row.id] == "its instance is being created"
    scene.started(scene.operations[0])
    made = scene.step()
    assert reasons(made) == ["scale_up", "state_transition"]
    assert the_event(made, "state_transition").message == "creating → running with 1 live instance"
    assert made.actions == ()
    assert scene.now(row).status is Status.RUNNING
    assert scene.now(row).was_running
    assert scene.phases(row) == [Phase.LIVE]
    made = scene.step()
    assert is_empty(made)
    assert made.reasons[row.id] == "nothing to do: the job runs"


@pytest.mark.parametrize("replicas", [0, 1])
def test_a_job_has_one_instance_whatever_its_replicas_say(replicas: int) -> None:
    scene = Scene()
    scene.row(Status.CREATING, spec=spec(kind="job", replicas=replicas))
    assert len(actions(scene.plan(), StartInstance)) == 1


@pytest.mark.parametrize("signalled", [False, True])
def test_a_job_that_exits_with_0_is_completed_and_its_instance_kept(signalled: bool) -> None:
    scene = Scene()
    instance = running(scene)
    row = scene.rows[instance.deployment_id]
    scene.ends(instance, 0, signalled=signalled)
    made = scene.step()
    assert told(made) == [(Level.INFO, "job_completed", "docker")]
    assert made.actions == ()
    assert made.reasons[row.id] == "nothing to do: the job is completed"
    assert scene.now(row).status is Status.COMPLETED
    assert scene.now(row).restart_count == 0
    (entry,) = scene.ledger.values()
    assert (entry.phase, entry.reason) == (Phase.COUNTED, Why.KEPT)
    scene.wait(3600)
    assert is_empty(scene.step())


@pytest.mark.parametrize(
    ("end", "how"),
    [
        (Exit(3, None), "exited with code 3"),
        (Exit(126, None), "exited with code 126: the program cannot be executed"),
        (Exit(127, None), "exited with code 127: the program cannot be found"),
        (Exit(128, None), "exited with code 128"),
        (Exit(137, None), "was ended by SIGKILL (exit code 137)"),
        (Exit(143, None, signalled=True), "was ended by SIGTERM (exit code 143)"),
        (Exit(255, None), "exited with code 255"),
        (Exit(137, None, oom=True), "ran out of memory (exit code 137)"),
        (Exit(137, None, oom=True, missed=True), "ran out of memory (exit code 137)"),
        (Exit(1, None, missed=True), "exited with code 1"),
    ],
)
def test_any_other_end_is_a_failure_that_tells_how(end: Exit, how: str) -> None:
    scene = Scene()
    row = scene.row(spec=JOB)
    instance = scene.found(row, scene.entry(row), State.EXITED, end=end)
    made = scene.step()
    assert told(made) == [(Level.ERROR, "job_failed", "docker")]
    assert made.events[0].message == (
        f"Instance {instance.id[:12]} {how}; it is kept for its logs and not run again"
    )
    assert made.actions == ()
    assert scene.now(row).status is Status.FAILED
    assert scene.now(row).restart_count == 0
    assert made.reasons[row.id] == f"nothing to do: the job has failed: {how}"
    scene.wait(3600)
    assert is_empty(scene.step())


def test_a_job_that_ended_before_its_start_was_told_is_seen_running_first() -> None:
    scene = Scene()
    begun(scene)
    instance = scene.started(scene.operations[0])
    scene.ends(instance, 0)
    made = scene.step()
    assert reasons(made) == ["scale_up", "state_transition"]
    assert made.wake_at == scene.mono
    assert reasons(scene.step()) == ["job_completed"]


# how it ended is asked for


@pytest.mark.parametrize("end", [None, Exit(None, None, missed=True)])
def test_an_end_without_a_code_is_asked_for(end: Exit | None) -> None:
    scene = Scene()
    row = scene.row(spec=JOB)
    instance = scene.found(row, scene.entry(row), State.EXITED, end=end)
    made = scene.step()
    assert [type(one) for one in made.actions] == [InspectInstance]
    assert scene.now(row).status is Status.RUNNING
    assert scene.step().actions == ()
    scene.ends(instance, 0)
    scene.comes_of(scene.operations[0], Inspected(scene.held["docker"][instance.name]))
    assert reasons(scene.step()) == ["job_completed"]


def test_an_end_that_nobody_can_tell_the_code_of_is_a_failure() -> None:
    scene = Scene()
    row = scene.row(spec=JOB)
    end = Exit(None, scene.wall(), missed=True)
    instance = scene.found(row, scene.entry(row), State.EXITED, end=end)
    scene.step()
    scene.comes_of(scene.operations[0], Inspected(instance))
    made = scene.step()
    assert "nobody knows with which exit code" in the_event(made, "job_failed").message
    assert scene.now(row).status is Status.FAILED


def test_a_question_that_fails_is_asked_again() -> None:
    scene = Scene()
    row = scene.row(spec=JOB)
    scene.found(row, scene.entry(row), State.EXITED)
    scene.step()
    scene.comes_of(scene.operations[0], OperationFailed(failure(FailureClass.UNAVAILABLE)))
    made = scene.step()
    assert made.actions == ()
    assert scene.now(row).status is Status.RUNNING
    scene.until(made)
    assert [type(one) for one in scene.step().actions] == [InspectInstance]


def test_an_instance_that_the_runtime_shows_as_created_is_started_and_not_judged() -> None:
    scene = Scene()
    row = scene.row(spec=JOB)
    instance = scene.found(row, scene.entry(row), State.CREATED)
    made = scene.step()
    assert made.actions == (StartInstance(row.id, instance.name, resume=True),)
    assert scene.now(row).status is Status.RUNNING


# lost


@pytest.mark.parametrize("killed", [False, True])
def test_an_instance_that_disappears_is_a_failure_and_not_run_again(killed: bool) -> None:
    scene = Scene()
    instance = running(scene)
    row = scene.rows[instance.deployment_id]
    if killed:
        scene.forgotten()
    scene.held["docker"].clear()
    made = scene.step()
    assert told(made) == [(Level.ERROR, "job_instance_lost", "docker")]
    assert instance.id[:12] in made.events[0].message
    assert made.actions == ()
    assert scene.now(row).status is Status.FAILED
    assert scene.ledger == {}
    scene.wait(3600)
    assert is_empty(scene.step())


def test_an_instance_that_is_gone_while_it_is_being_asked_is_lost_once() -> None:
    scene = Scene()
    row = scene.row(spec=JOB)
    scene.found(row, scene.entry(row), State.EXITED)
    scene.step()
    scene.held["docker"].clear()
    assert is_empty(scene.step())
    scene.comes_of(scene.operations[0], Inspected(None))
    assert reasons(scene.step()) == ["job_instance_lost"]
    assert scene.now(row).status is Status.FAILED


def test_another_instance_in_its_name_is_not_taken_for_the_job() -> None:
    scene = Scene()
    row = scene.row(spec=JOB)
    entry = scene.entry(row, instance_id="a" * 64)
    other = scene.found(row, replace(entry, instance_id=None))
    assert other.id != entry.instance_id
    scene.ledger[entry.name] = entry
    made = scene.step()
    assert reasons(made) == ["job_instance_lost"]
    assert scene.now(row).status is Status.FAILED


# after its end


@pytest.mark.parametrize("status", [Status.COMPLETED, Status.FAILED])
def test_what_is_kept_is_let_go_when_somebody_removes_it(status: Status) -> None:
    scene = Scene()
    row = scene.row(status, spec=JOB, halt_reason="exit code 3")
    scene.entry(row, Phase.COUNTED, reason=Why.KEPT)
    made = scene.step()
    assert made.events == ()
    assert scene.ledger == {}
    assert scene.now(row).status is status
    assert is_empty(scene.step())


@pytest.mark.parametrize("status", [Status.COMPLETED, Status.FAILED])
def test_what_is_started_again_by_hand_changes_nothing(status: Status) -> None:
    scene = Scene()
    row = scene.row(status, spec=JOB)
    scene.found(row, scene.entry(row, Phase.COUNTED, reason=Why.KEPT), State.RUNNING)
    assert is_empty(scene.step())


def test_only_what_was_judged_is_kept() -> None:
    """Whatever else bears the mark goes: a row that is deleted would wait for it for ever."""
    scene = Scene()
    row = scene.row(Status.DELETED, spec=JOB)
    scene.entry(row, Phase.STOPPING, reason=Why.KEPT)
    (removal,) = actions(scene.step(), RemoveInstance)
    assert removal.deployment_id == row.id


def test_what_was_kept_goes_with_its_row() -> None:
    scene = Scene()
    row = scene.row(Status.DELETED, spec=JOB)
    entry = scene.entry(row, Phase.COUNTED, reason=Why.KEPT)
    instance = scene.found(row, entry, State.EXITED, end=Exit(0, scene.wall()))
    made = scene.step()
    assert the_event(made, "container_deletion").message == "Removing 1 instance of job 'web'"
    (removal,) = actions(made, RemoveInstance)
    assert (removal.instance_id, removal.stop) == (instance.id, False)
    scene.comes_away()
    scene.step()
    scene.wait(2)
    assert scene.step().purge == (row,)


def test_a_job_that_is_deleted_while_it_runs_is_stopped() -> None:
    scene = Scene()
    row = scene.row(Status.DELETED, spec=JOB)
    scene.up(row)
    (removal,) = actions(scene.step(), RemoveInstance)
    assert removal.stop


def test_a_job_that_replaces_another_waits_until_nothing_of_it_is_left() -> None:
    scene = Scene()
    old = scene.row(Status.DELETED, row_id="old", spec=JOB)
    new = scene.row(Status.CREATING, row_id="new", spec=JOB)
    entry = scene.entry(old, Phase.COUNTED, reason=Why.KEPT)
    scene.found(old, entry, State.EXITED, end=Exit(0, scene.wall()))
    made = scene.step()
    assert actions(made, StartInstance) == []
    assert "an older revision is still being removed" in made.reasons[new.id]
    scene.comes_away()
    assert [one.deployment_id for one in actions(scene.step(), StartInstance)] == [new.id]


# creates that fail


def test_failed_creates_are_retried_within_the_budget_and_end_in_failed() -> None:
    scene = Scene()
    begun(scene)
    (row,) = scene.rows.values()
    waited = []
    while True:
        scene.refused(scene.operations[0], FailureClass.INSTANCE_REJECTED)
        before = scene.mono
        made = scene.step()
        if scene.now(row).status is Status.FAILED:
            break
        assert scene.now(row).status is Status.CREATE_CONTAINER_ERROR
        if not made.actions:
            assert "its instance is missing: next attempt in" in made.reasons[row.id]
            scene.until(made)
            scene.step()
        waited.append(scene.mono - before)
    assert waited == [0, 1, 2, 4]
    assert reasons(made) == ["instance_creation_failed", "job_failed"]
    assert "5 failures (budget 5)" in the_event(made, "job_failed").message
    assert scene.now(row).restart_count == 5
    assert scene.now(row).next_create_at is None
    assert scene.ledger == {}
    scene.wait(3600)
    assert is_empty(scene.step())


@pytest.mark.parametrize("status", sorted(RETRIED))
def test_a_create_that_works_makes_a_failing_job_run(status: Status) -> None:
    scene = Scene()
    row = scene.row(status, spec=JOB, restart_count=2)
    scene.step()
    scene.started(scene.operations[0])
    made = scene.step()
    assert scene.now(row).status is Status.RUNNING
    assert the_event(made, "state_transition").message == (
        f"{status} → creating → running with 1 live instance"
    )


def test_a_permanent_failure_halts_a_job_uncounted() -> None:
    scene = Scene()
    begun(scene)
    (row,) = scene.rows.values()
    scene.refused(scene.operations[0], FailureClass.IMAGE_NOT_FOUND, "no such image")
    made = scene.step()
    assert scene.now(row).status is Status.IMAGE_PULL_BACK_OFF
    assert scene.now(row).restart_count == 0
    assert made.reasons[row.id] == "nothing to do: halted: no such image"
    scene.wait(3600)
    assert is_empty(scene.step())


# starts that nobody saw the end of


@pytest.mark.parametrize(
    "kind", [FailureClass.UNAVAILABLE, FailureClass.TIMEOUT, FailureClass.CANCELLED]
)
@pytest.mark.parametrize("state", [State.RUNNING, State.EXITED])
def test_a_start_that_nobody_saw_the_end_of_is_not_made_again(
    kind: FailureClass, state: State
) -> None:
    scene = Scene()
    begun(scene)
    (row,) = scene.rows.values()
    (entry,) = scene.ledger.values()
    scene.refused(scene.operations[0], kind, clean=False)
    made = scene.step()
    assert actions(made, RemoveInstance) == []
    assert scene.phases(row) == [Phase.CREATING]
    scene.operations.clear()
    end = Exit(0, scene.wall()) if state is State.EXITED else None
    scene.found(row, entry, state, end=end)
    scene.step()
    assert scene.now(row).status is Status.RUNNING
    if end is not None:
        assert reasons(scene.step()) == ["job_completed"]
    assert [one.name for one in scene.ledger.values()] == [entry.name]
    assert scene.flying(StartInstance) == []


def test_a_start_that_may_have_got_somewhere_is_looked_for_by_the_next_attempt() -> None:
    scene = Scene()
    begun(scene)
    (entry,) = scene.ledger.values()
    scene.refused(scene.operations[0], FailureClass.UNAVAILABLE, clean=False)
    made = scene.step()
    assert made.actions == ()
    scene.until(made)
    assert scene.step().actions == (StartInstance(entry.deployment_id, entry.name, resume=True),)


def test_the_last_start_that_nobody_saw_the_end_of_is_removed() -> None:
    scene = Scene()
    row = scene.row(Status.CREATING, spec=JOB, restart_count=4)
    scene.step()
    scene.refused(scene.operations[0], FailureClass.TIMEOUT, clean=False)
    made = scene.step()
    assert scene.now(row).status is Status.FAILED
    assert len(actions(made, RemoveInstance)) == 1


# a killed server


@pytest.mark.parametrize("state", [None, *sorted({State.CREATED, State.RUNNING, State.EXITED})])
def test_a_create_that_a_killed_server_began_is_taken_up_and_not_made_twice(
    state: State | None,
) -> None:
    scene = Scene()
    begun(scene)
    (row,) = scene.rows.values()
    (entry,) = scene.ledger.values()
    scene.forgotten()
    if state is not None:
        end = Exit(None, None, missed=True) if state is State.EXITED else None
        scene.found(row, entry, state, end=end)
    made = scene.step()
    if state in {None, State.CREATED}:
        assert made.actions == (StartInstance(row.id, entry.name, resume=True),)
        assert scene.now(row).status is Status.CREATING
    else:
        assert made.actions == ()
        assert scene.now(row).status is Status.RUNNING
    assert list(scene.ledger) == [entry.name]


def test_a_job_that_runs_is_adopted_by_the_next_server() -> None:
    scene = Scene()
    running(scene)
    scene.forgotten()
    assert is_empty(scene.step())


@pytest.mark.parametrize(("code", "status"), [(0, Status.COMPLETED), (3, Status.FAILED)])
def test_a_job_that_ended_while_ring_was_down_is_judged_by_its_code(
    code: int, status: Status
) -> None:
    scene = Scene()
    row = scene.row(spec=JOB)
    scene.ended(row, code, missed=True)
    scene.forgotten()
    assert after(scene.plan(), row).status is status


def test_what_is_kept_survives_a_kill_of_the_server() -> None:
    scene = Scene()
    row = scene.row(Status.COMPLETED, spec=JOB)
    entry = scene.entry(row, Phase.COUNTED, reason=Why.KEPT)
    scene.found(row, entry, State.EXITED, end=Exit(None, None, missed=True))
    scene.forgotten()
    assert is_empty(scene.step())


def test_an_ended_instance_that_no_ledger_tells_of_is_the_jobs_run() -> None:
    scene = Scene()
    row = scene.row(Status.CREATING, spec=JOB)
    scene.found(row, None, State.EXITED, end=Exit(0, scene.wall()))
    made = scene.step()
    assert actions(made, StartInstance) == []
    assert scene.now(row).status is Status.RUNNING
    scene.step()
    assert scene.now(row).status is Status.COMPLETED
