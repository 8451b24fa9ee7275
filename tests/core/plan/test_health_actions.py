"""What failed checks ask for: restarts and their waits, the end of a deployment, alerts."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from ring.core.model.events import Level
from ring.core.model.ledger import Phase, Why
from ring.core.model.observed import Exit, State
from ring.core.model.operations import RemoveInstance, StartInstance
from ring.core.model.status import Status
from tests.core.plan.builders import (
    Scene,
    actions,
    after,
    is_empty,
    reasons,
    spec,
    the_event,
    told,
)

if TYPE_CHECKING:
    from ring.core.model.deployment import Deployment
    from ring.core.model.observed import Instance
    from ring.core.model.spec import DeploymentSpec
    from ring.core.plan.view import Plan

LOOP = Status.CRASH_LOOP_BACK_OFF


def checked(*on_failure: str, **members: object) -> DeploymentSpec:
    """With a check for each action, in this order."""
    checks = [
        {"type": "tcp", "port": 80, "interval": "1s", "timeout": "1s", "on_failure": action}
        for action in on_failure
    ]
    return spec(health_checks=checks, **members)


def removed(made: Plan) -> list[str]:
    return [one.name for one in actions(made, RemoveInstance)]


# restart


def test_a_restart_removes_the_instance_and_replaces_it_uncounted() -> None:
    scene = Scene()
    row = scene.row(spec=checked("restart", replicas=2))
    scene.up(row)
    sick = scene.up(row)
    fired = scene.fires(sick, message="TCP connection failed: refused")
    made = scene.step()
    assert told(made) == [(Level.WARNING, "health_check_instance_restart", "health_checker")]
    (event,) = made.events
    assert event.message == (
        f"Instance {sick.id[:12]} is unhealthy (TCP connection failed: refused): "
        "it is removed and replaced"
    )
    assert event.instance_id == sick.id
    assert made.acted == (fired.id,)
    assert removed(made) == [sick.name]
    assert len(actions(made, StartInstance)) == 1
    entry = scene.ledger[sick.name]
    assert (entry.phase, entry.reason) == (Phase.STOPPING, Why.UNHEALTHY)
    now = scene.now(row)
    assert (now.restart_count, now.health_restarts, now.next_create_at) == (0, 1, None)
    assert now.status is Status.RUNNING


def test_what_a_check_has_ended_is_no_scaling_down_and_no_crash() -> None:
    scene = Scene()
    row = scene.row(spec=checked("restart"))
    sick = scene.up(row)
    scene.fires(sick)
    scene.step()
    scene.ends(sick, 137)
    assert scene.step().events == ()
    scene.comes_away()
    assert reasons(scene.step()) == []
    assert scene.now(row).restart_count == 0


def test_restarts_without_a_healthy_while_wait_longer_each_time() -> None:
    scene = Scene()
    row = scene.row(spec=checked("restart"))
    instance = scene.up(row)
    waited = []
    for _ in range(9):
        scene.fires(instance)
        before = scene.mono
        made = scene.step()
        scene.comes_away()
        made = scene.step()
        if not scene.flying(StartInstance):
            scene.until(made)
            scene.step()
        waited.append(scene.mono - before)
        instance = scene.started(scene.flying(StartInstance)[0])
        scene.step()
    assert waited == [0, 1, 2, 4, 8, 16, 32, 60, 60]
    assert scene.now(row).health_restarts == 9
    assert scene.now(row).restart_count == 0
    assert scene.now(row).status is Status.RUNNING


def test_a_wait_for_a_restart_goes_on_after_a_kill_of_the_server() -> None:
    scene = Scene()
    row = scene.row(spec=checked("restart"))
    scene.rows[row.id] = replace(row, health_restarts=4)
    scene.fires(scene.up(row))
    scene.step()
    scene.comes_away()
    scene.forgotten()
    scene.ledger.clear()
    scene.wait(3)
    assert scene.step().wake_at == scene.mono + 5


def test_several_restarts_of_one_pass_are_one_step_of_the_wait() -> None:
    scene = Scene()
    row = scene.row(spec=checked("restart", replicas=3))
    for _ in range(3):
        scene.fires(scene.up(row))
    made = scene.step()
    assert scene.now(row).health_restarts == 1
    assert len(removed(made)) == 3
    assert reasons(made) == ["health_check_instance_restart"] * 3


def test_two_checks_of_one_instance_restart_it_once() -> None:
    scene = Scene()
    row = scene.row(spec=checked("restart", "restart"))
    sick = scene.up(row)
    scene.fires(sick, 0)
    scene.fires(sick, 1)
    made = scene.step()
    assert reasons(made) == ["health_check_instance_restart"]
    assert removed(made) == [sick.name]


def test_a_restart_does_not_shorten_a_wait_that_is_pending() -> None:
    scene = Scene()
    row = scene.row(
        spec=checked("restart", replicas=2), restart_count=4, next_create_at=scene.wall(-4)
    )
    scene.fires(scene.up(row))
    made = scene.step()
    assert actions(made, StartInstance) == []
    assert made.wake_at == scene.mono + 4


# the healthy while


@pytest.mark.parametrize("count", [0, 2])
def test_restarts_are_forgiven_after_a_healthy_while(count: int) -> None:
    scene = Scene()
    row = scene.row(spec=checked("restart"), restart_count=count)
    scene.rows[row.id] = replace(row, health_restarts=3)
    scene.green(scene.up(row))
    made = scene.step()
    assert made.wake_at == scene.mono + 10
    scene.until(made)
    made = scene.step()
    assert (scene.now(row).restart_count, scene.now(row).health_restarts) == (0, 0)
    assert reasons(made) == (["restart_count_reset"] if count else [])


@pytest.mark.parametrize("count", [0, 2])
def test_restarts_are_not_forgiven_before_the_checks_pass(count: int) -> None:
    scene = Scene()
    row = scene.row(spec=checked("restart", "alert"), restart_count=count)
    scene.rows[row.id] = replace(row, health_restarts=3)
    instance = scene.up(row)
    scene.until(scene.step())
    scene.step()
    assert (scene.now(row).restart_count, scene.now(row).health_restarts) == (0, 3)
    assert is_empty(scene.step())
    scene.red(instance)
    assert is_empty(scene.step())
    scene.green(instance)
    scene.red(instance, index=1)
    scene.step()
    assert scene.now(row).health_restarts == 0
    assert is_empty(scene.step())


def test_a_restart_begins_the_healthy_while_anew_though_enough_are_left() -> None:
    scene = Scene()
    row = scene.row(spec=checked("restart"))
    scene.rows[row.id] = replace(row, health_restarts=1)
    sick = scene.up(row)
    scene.step()
    scene.wait(9)
    scene.green(scene.up(row))
    scene.fires(sick)
    made = scene.step()
    assert removed(made) == [sick.name]
    scene.comes_away()
    scene.step()
    scene.wait(1)  # the wait of the second restart
    scene.step()
    scene.wait(9.9)
    scene.step()
    assert scene.now(row).health_restarts == 2
    scene.wait(0.1)
    scene.step()
    assert scene.now(row).health_restarts == 0


# crash loops and halted rows


def test_an_attempt_of_a_crash_loop_that_is_unhealthy_waits_as_long_as_one_that_failed() -> None:
    scene = Scene()
    row = scene.row(LOOP, spec=checked("restart"), was_running=True, restart_count=5)
    attempt = scene.found(row, scene.entry(row, reason=Why.ATTEMPT))
    scene.fires(attempt)
    made = scene.step()
    assert removed(made) == [attempt.name]
    assert actions(made, StartInstance) == []
    assert made.wake_at == scene.mono + 300
    assert scene.now(row).restart_count == 5
    assert scene.now(row).status is LOOP


def test_a_survivor_of_a_crash_loop_that_is_unhealthy_does_not_bring_an_attempt_forward() -> None:
    scene = Scene()
    due = scene.wall(-200)
    row = scene.row(
        LOOP,
        spec=checked("restart", replicas=2),
        was_running=True,
        restart_count=5,
        next_create_at=due,
    )
    scene.fires(scene.up(row))
    made = scene.step()
    assert actions(made, StartInstance) == []
    assert scene.now(row).next_create_at == due


def test_nothing_is_removed_where_nothing_could_take_its_place() -> None:
    scene = Scene()
    row = scene.row(
        Status.IMAGE_PULL_BACK_OFF,
        spec=checked("restart"),
        was_running=True,
        halt_reason="no such image",
    )
    sick = scene.up(row)
    scene.fires(sick)
    made = scene.step()
    assert told(made) == [(Level.WARNING, "health_check_instance_restart", "health_checker")]
    assert "stays: nothing is created in its place (no such image)" in made.events[0].message
    assert made.actions == ()
    assert scene.now(row) == row


# stop


def test_a_stop_ends_the_deployment() -> None:
    scene = Scene()
    row = scene.row(spec=checked("stop", replicas=2), next_create_at=scene.wall(-5))
    sick = scene.up(row)
    other = scene.up(row)
    scene.fires(sick, message="Command exited 1")
    made = scene.step()
    assert told(made) == [
        (Level.WARNING, "health_check_stop", "health_checker"),
        (Level.INFO, "container_deletion", "docker"),
    ]
    assert sick.id[:12] in made.events[0].message
    assert "Command exited 1" in made.events[0].message
    assert scene.now(row).status is Status.DELETED
    assert scene.now(row).next_create_at is None
    assert sorted(removed(made)) == sorted([sick.name, other.name])
    assert actions(made, StartInstance) == []
    scene.comes_away()
    scene.step()
    scene.wait(2)
    assert [one.id for one in scene.step().purge] == [row.id]


def test_what_fires_after_a_stop_means_nothing_any_more() -> None:
    scene = Scene()
    row = scene.row(spec=checked("stop", "restart", "alert"))
    sick = scene.up(row)
    for index in range(3):
        scene.fires(sick, index)
    made = scene.step()
    assert reasons(made) == ["health_check_stop", "container_deletion"]
    assert len(made.acted) == 3
    assert scene.now(row).health_restarts == 0


# alert


def test_an_alert_does_nothing_else() -> None:
    scene = Scene()
    row = scene.row(spec=checked("alert"))
    sick = scene.up(row)
    scene.fires(sick, message="HTTP check failed with status 500 for http://localhost/")
    made = scene.step()
    assert told(made) == [(Level.ERROR, "health_check_alert", "health_checker")]
    assert made.events[0].message == (
        f"Instance {sick.id[:12]} is unhealthy: "
        "HTTP check failed with status 500 for http://localhost/"
    )
    assert made.events[0].instance_id == sick.id
    assert (made.rows, made.actions) == ((), ())


# what nothing comes of


@pytest.mark.parametrize("action", ["restart", "stop", "alert"])
@pytest.mark.parametrize("status", [Status.CREATING, Status.FAILED, Status.NETWORK_ERROR])
def test_nothing_comes_of_a_check_before_the_row_was_running(status: Status, action: str) -> None:
    scene = Scene()
    row = scene.row(status, spec=checked(action))
    fired = scene.fires(scene.up(row))
    made = scene.plan()
    assert made.acted == (fired.id,)
    assert not [one for one in reasons(made) if one.startswith("health_check")]
    assert actions(made, RemoveInstance) == []


def _died(scene: Scene, row: Deployment) -> Instance:
    return scene.ended(row, signalled=True, code=0)


def _unexplained(scene: Scene, row: Deployment) -> Instance:
    return scene.found(row, scene.entry(row), State.EXITED)


def _vanished(scene: Scene, row: Deployment) -> Instance:
    instance = scene.up(row)
    scene.held["docker"].clear()
    return instance


def _leaving(scene: Scene, row: Deployment) -> Instance:
    return scene.up(row, Phase.STOPPING)


def _stranger(scene: Scene, row: Deployment) -> Instance:
    return replace(scene.up(row), id=type(scene.up(row).id)("f" * 64))


@pytest.mark.parametrize("what", [_died, _unexplained, _vanished, _leaving, _stranger])
@pytest.mark.parametrize("action", ["restart", "stop", "alert"])
def test_nothing_comes_of_a_check_on_what_is_not_there_any_more(what: object, action: str) -> None:
    scene = Scene()
    row = scene.row(spec=checked(action, replicas=2))
    assert callable(what)
    fired = scene.fires(what(scene, row))
    made = scene.plan()
    assert made.acted == (fired.id,)
    assert not [one for one in reasons(made) if one.startswith("health_check")]
    assert after(made, row).health_restarts == 0


def test_nothing_comes_of_a_check_that_is_not_there_any_more() -> None:
    scene = Scene()
    row = scene.row(spec=checked("stop"))
    fired = scene.fires(scene.up(row), 1)
    made = scene.plan()
    assert made.acted == (fired.id,)
    assert is_empty(made)


def test_an_instance_that_was_renamed_is_still_the_one() -> None:
    scene = Scene()
    row = scene.row(spec=checked("restart"))
    sick = scene.up(row)
    scene.fires(sick)
    new = type(sick.name)("renamed")
    scene.held["docker"] = {new: replace(sick, name=new)}
    made = scene.step()
    assert removed(made) == [new]


def test_nothing_comes_of_checks_of_a_row_that_is_deleted_or_gone() -> None:
    scene = Scene()
    row = scene.row(Status.DELETED, spec=checked("restart"))
    fired = [scene.fires(scene.up(row))]
    fired.append(scene.fires(replace(scene.up(row), deployment_id=type(row.id)("gone"))))
    made = scene.plan()
    assert made.acted == tuple(one.id for one in fired)
    assert reasons(made) == ["container_deletion"]


# jobs


def test_a_job_that_is_restarted_begins_anew_once_its_instance_is_gone_and_pays_for_it() -> None:
    scene = Scene()
    row = scene.row(spec=checked("restart", kind="job"))
    sick = scene.up(row)
    scene.fires(sick)
    made = scene.step()
    assert reasons(made) == ["health_check_instance_restart"]
    assert (removed(made), actions(made, StartInstance)) == ([sick.name], [])
    assert made.reasons[row.id] == "its former instance is being removed"
    assert (scene.now(row).restart_count, scene.now(row).health_restarts) == (1, 0)
    assert scene.now(row).status is Status.RUNNING
    scene.comes_away()
    assert len(actions(scene.step(), StartInstance)) == 1
    scene.started(scene.operations[0])
    assert reasons(scene.step()) == ["scale_up"]
    assert scene.now(row).status is Status.RUNNING


def test_a_job_that_is_restarted_too_often_has_failed() -> None:
    scene = Scene()
    row = scene.row(spec=checked("restart", kind="job"), restart_count=4)
    sick = scene.up(row)
    scene.fires(sick)
    made = scene.step()
    assert reasons(made) == ["health_check_instance_restart", "job_failed"]
    assert scene.now(row).status is Status.FAILED
    assert removed(made) == [sick.name]
    scene.comes_away()
    scene.step()
    assert is_empty(scene.step())


def test_a_job_that_has_ended_is_not_restarted() -> None:
    scene = Scene()
    row = scene.row(spec=checked("restart", kind="job"))
    sick = scene.found(row, scene.entry(row), State.EXITED, end=Exit(0, scene.wall()))
    scene.fires(sick)
    assert reasons(scene.step()) == ["job_completed"]


def test_a_job_that_is_stopped_is_deleted() -> None:
    scene = Scene()
    row = scene.row(spec=checked("stop", kind="job"))
    sick = scene.up(row)
    scene.fires(sick)
    made = scene.step()
    assert the_event(made, "health_check_stop").instance_id == sick.id
    assert scene.now(row).status is Status.DELETED
    assert removed(made) == [sick.name]
