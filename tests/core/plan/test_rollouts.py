"""Rolling updates: what each pass takes of the parent, and how they end."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest

from ring.core.model.failures import FailureClass
from ring.core.model.ids import DeploymentId
from ring.core.model.ledger import Phase, Why
from ring.core.model.observed import State, Unknown
from ring.core.model.operations import OperationFailed, RemoveInstance, StartInstance
from ring.core.model.revision import Cause
from ring.core.model.status import Status
from ring.core.plan.view import Limits
from tests.core.plan.builders import (
    HOUR,
    START,
    Scene,
    actions,
    after,
    failure,
    is_empty,
    reasons,
    spec,
    the_event,
)

if TYPE_CHECKING:
    from ring.core.model.deployment import Deployment
    from ring.core.model.observed import Instance
    from ring.core.plan.view import Plan

CHECK = {
    "type": "tcp",
    "port": 80,
    "interval": "1s",
    "timeout": "1s",
    "on_failure": "alert",
    "readiness": True,
    "min_healthy_time": "2s",
}


class Rollout:
    """A parent and its child, both up and green unless a test says otherwise."""

    def __init__(self, old: int = 3, new: int = 3, *, up: int | None = None, **members: Any):
        self.scene = Scene()
        checks = {"health_checks": [CHECK]}
        self.parent = self.scene.row(row_id="old", spec=spec(replicas=old, **checks))
        self.old = [self.green(self.parent, born=600 + n) for n in range(old)]
        self.child = self.scene.row(
            row_id="new",
            spec=spec(replicas=new, image="nginx:1.26", **{**checks, **members}),
            parent_id=self.parent.id,
        )
        self.new = [self.green(self.child, born=60) for _ in range(new if up is None else up)]

    def green(self, row: Deployment, *, born: float = 60) -> Instance:
        instance = self.scene.up(row, born=born)
        self.scene.green(instance)
        return instance

    @property
    def parent_now(self) -> Deployment:
        return self.scene.now(self.parent)

    @property
    def child_now(self) -> Deployment:
        return self.scene.now(self.child)

    def drains(self) -> list[str]:
        """The parent's instances that a step takes at this moment."""
        ledger = self.scene.ledger.values()
        return [
            e.name for e in ledger if e.deployment_id == self.parent.id and e.reason is Why.DRAIN
        ]

    def first_step(self) -> Plan:
        """Past the second in which both generations are left alone."""
        quiet = self.scene.step()
        assert not quiet.actions
        self.scene.until(quiet)
        return self.scene.step()


def test_nothing_is_drained_in_the_first_second() -> None:
    rollout = Rollout()
    made = rollout.scene.step()
    assert is_empty(made)
    assert made.wake_at == rollout.scene.mono + 1
    assert made.reasons[rollout.child.id] == (
        "rolling update: 3 of 3 old instances left, next step in 1 s"
    )


def test_a_step_writes_the_drain_target_with_the_removal_it_announces() -> None:
    rollout = Rollout()
    made = rollout.first_step()
    (removal,) = actions(made, RemoveInstance)
    assert removal.deployment_id == rollout.parent.id
    assert removal.instance_id == rollout.old[0].id  # the newest
    assert after(made, rollout.parent).drain_target == 2
    assert [(e.phase, e.reason) for e in made.put_entries] == [(Phase.STOPPING, Why.DRAIN)]
    assert made.events == ()


@pytest.mark.parametrize(("old", "new"), [(1, 1), (3, 3), (3, 5), (5, 2), (2, 0), (0, 1)])
def test_a_whole_rollout(old: int, new: int) -> None:
    rollout = Rollout(old, new)
    scene = rollout.scene
    told: list[str] = []
    steps: list[float] = []
    for _ in range(60):
        made = scene.step()
        told += reasons(made)
        steps += [scene.mono for e in made.put_entries if e.reason is Why.DRAIN]
        assert rollout.child.id not in [a.deployment_id for a in made.actions]
        assert not actions(made, StartInstance)
        if scene.operations:
            scene.wait(0.2)
            scene.comes_away()
        elif rollout.parent.id in scene.rows and made.wake_at is not None:
            scene.until(made)
        elif rollout.parent.id not in scene.rows:
            break
        else:
            scene.wait(0.1)
    assert list(scene.rows) == [rollout.child.id]
    assert rollout.child_now.parent_id is None
    ours = [reason for reason in told if reason.startswith("rolling")]
    assert ours == ["rolling_update_step"] * old + ["rolling_update_complete"]
    assert all(later - earlier >= 1 for earlier, later in pairwise(steps))


def test_the_step_is_told_when_the_removal_is_confirmed() -> None:
    rollout = Rollout(2, 2)
    rollout.first_step()
    rollout.scene.wait(5)
    assert is_empty(rollout.scene.step())  # the next step waits for the last one's end
    rollout.scene.comes_away()
    made = rollout.scene.step()
    event = the_event(made, "rolling_update_step")
    assert event.deployment_id == rollout.child.id
    assert event.parent_id == rollout.parent.id
    assert event.instance_id == rollout.old[0].id
    assert event.message.endswith(": 1 remaining")
    assert len(actions(made, RemoveInstance)) == 1  # a second has gone by since the last one


def test_the_end_is_one_plan() -> None:
    rollout = Rollout(1, 1)
    rollout.first_step()
    rollout.scene.comes_away()
    made = rollout.scene.step()
    assert reasons(made) == ["rolling_update_step", "rolling_update_complete"]
    assert the_event(made, "rolling_update_complete").parent_id == rollout.parent.id
    assert [change.before.id for change in made.rows] == [rollout.parent.id, rollout.child.id]
    assert after(made, rollout.parent).status is Status.DELETED
    assert after(made, rollout.child).parent_id is None
    assert made.wake_at == rollout.scene.mono


def test_a_killed_server_takes_the_rollout_up_where_it_was() -> None:
    rollout = Rollout(3, 3)
    rollout.first_step()
    rollout.scene.forgotten()
    again = rollout.scene.step()
    (removal,) = actions(again, RemoveInstance)
    assert removal.instance_id == rollout.old[0].id
    assert rollout.parent_now.drain_target == 2
    rollout.scene.comes_away()
    rollout.scene.commit(replace(rollout.scene.plan(), actions=()))
    rollout.scene.forgotten()
    quiet = rollout.scene.step()
    assert not quiet.actions
    assert quiet.wake_at == rollout.scene.mono + 1
    rollout.scene.until(quiet)
    rollout.scene.step()
    assert rollout.parent_now.drain_target == 1


def test_what_was_drained_does_not_come_back_and_what_crashes_neither() -> None:
    rollout = Rollout(3, 3)
    rollout.first_step()
    rollout.scene.ends(rollout.old[1])
    made = rollout.scene.step()
    assert not actions(made, StartInstance)
    assert rollout.parent_now.drain_target == 2
    rollout.scene.comes_away()
    rollout.scene.wait(1)
    rollout.scene.step()
    rollout.scene.comes_away()
    rollout.scene.step()
    assert rollout.parent_now.drain_target == 0


def test_a_removal_that_fails_is_the_same_step_again() -> None:
    rollout = Rollout(2, 2)
    rollout.first_step()
    (operation,) = rollout.scene.flying(RemoveInstance)
    rollout.scene.comes_of(operation, OperationFailed(failure(FailureClass.OTHER)))
    made = rollout.scene.step()
    assert "rolling_update_step" not in reasons(made)
    rollout.scene.until(made)
    (again,) = actions(rollout.scene.step(), RemoveInstance)
    assert again.instance_id == rollout.old[0].id
    assert rollout.parent_now.drain_target == 1


# who goes, and when


def test_an_instance_that_is_not_ready_goes_first() -> None:
    rollout = Rollout(3, 3)
    rollout.scene.red(rollout.old[2])
    (removal,) = actions(rollout.first_step(), RemoveInstance)
    assert removal.instance_id == rollout.old[2].id


def test_what_is_ready_never_falls_below_the_smaller_target() -> None:
    rollout = Rollout(3, 3, up=1)
    rollout.scene.red(rollout.old[2])
    rollout.scene.wait(0)
    hold = {rollout.child.id: rollout.scene.mono + HOUR}
    rollout.scene.memory = replace(rollout.scene.memory, hold=hold)
    first = rollout.first_step()  # 1 new + 2 old are ready; the sick one takes none of them away
    assert [a.instance_id for a in actions(first, RemoveInstance)] == [rollout.old[2].id]
    rollout.scene.comes_away()
    rollout.scene.wait(5)
    made = rollout.scene.step()
    assert not made.actions
    assert made.reasons[rollout.child.id] == (
        "rolling update paused: 1 new and 2 old instances ready, 3 have to stay"
    )


def test_a_parent_without_live_instances_is_no_obstacle() -> None:
    rollout = Rollout(2, 2)
    for instance in rollout.old:
        rollout.scene.ends(instance)
    rollout.scene.step()
    starts = rollout.scene.flying(StartInstance)
    assert [one.action.deployment_id for one in starts] == [rollout.parent.id] * 2
    rollout.scene.comes_away()
    rollout.scene.wait(1)
    made = rollout.scene.step()
    assert rollout.parent_now.drain_target == 0
    assert len(made.cancel) == 2
    rollout.scene.comes_away()
    made = rollout.scene.step()
    assert rollout.parent_now.status is Status.DELETED
    assert reasons(made)[-1:] == ["rolling_update_complete"]


def test_the_parent_heals_until_the_first_step() -> None:
    rollout = Rollout(2, 2)
    rollout.scene.ends(rollout.old[0])
    (start,) = actions(rollout.scene.step(), StartInstance)
    assert start.deployment_id == rollout.parent.id


def test_a_child_does_not_wait_for_what_it_supersedes() -> None:
    rollout = Rollout(1, 1, up=0)
    superseded = rollout.scene.row(Status.DELETED, row_id="mid", parent_id=rollout.parent.id)
    rollout.scene.rows = {
        one.id: one for one in (rollout.parent, superseded, rollout.scene.now(rollout.child))
    }
    rollout.scene.up(superseded)
    starts = actions(rollout.scene.step(), StartInstance)
    assert [start.deployment_id for start in starts] == [rollout.child.id]


# pauses


def test_readiness_that_turns_red_pauses_and_then_fails_the_rollout() -> None:
    rollout = Rollout(2, 2)
    rollout.first_step()
    rollout.scene.comes_away()
    rollout.scene.wait(0.1)
    rollout.scene.step()
    rollout.scene.red(rollout.new[0])
    rollout.scene.wait(5)
    made = rollout.scene.step()
    assert not made.actions
    assert made.reasons[rollout.child.id] == "rolling update paused: 1 of 2 instances green"
    assert made.wake_at == rollout.scene.mono + 600
    rollout.scene.until(made)
    failed = rollout.scene.step()
    assert reasons(failed) == ["readiness_deadline_exceeded", "rolling_update_failed"]
    assert after(failed, rollout.child).status is Status.FAILED
    assert after(failed, rollout.child).halt_reason is not None
    assert after(failed, rollout.parent).drain_target is None
    healing = rollout.scene.step()
    assert [a.deployment_id for a in actions(healing, StartInstance)] == [rollout.parent.id]
    assert healing.events == ()


def test_green_again_goes_on_and_forgets_the_pause() -> None:
    rollout = Rollout(2, 2)
    rollout.scene.red(rollout.new[0])
    rollout.scene.step()
    rollout.scene.wait(599)
    rollout.scene.green(rollout.new[0], since=2)
    quiet = rollout.scene.step()
    assert not quiet.writes
    rollout.scene.red(rollout.new[0])
    rollout.scene.wait(10)
    assert rollout.child.id not in [c.before.id for c in rollout.scene.step().rows]
    assert rollout.child_now.status is Status.RUNNING


def test_a_stopped_rollout_gives_nothing_up_and_goes_on_when_it_is_started() -> None:
    rollout = Rollout(2, 2)
    scene, both = rollout.scene, (rollout.parent, rollout.child)
    for row in both:
        scene.rows[row.id] = replace(scene.now(row), stopped=True)
    for _ in range(5):
        scene.step()
        scene.comes_away()
        scene.wait(2)
    assert not scene.ledger
    assert not rollout.parent_now.is_deleted
    assert rollout.child_now.parent_id == rollout.parent.id
    for row in both:
        scene.rows[row.id] = replace(scene.now(row), stopped=False)
    begun = actions(scene.step(), StartInstance)
    assert sorted(one.deployment_id for one in begun) == ["new", "new", "old", "old"]


def test_a_stopped_child_whose_parent_was_deleted_goes_on_alone() -> None:
    rollout = Rollout(1, 1)
    scene, both = rollout.scene, (rollout.parent, rollout.child)
    for row in both:
        scene.rows[row.id] = replace(scene.now(row), stopped=True)
    scene.rows[rollout.parent.id] = replace(rollout.parent_now, status=Status.DELETED)
    for _ in range(5):
        scene.step()
        scene.comes_away()
        scene.wait(2)
    assert rollout.parent.id not in scene.rows
    assert rollout.child_now.parent_id is None
    assert rollout.child_now.stopped


@pytest.mark.parametrize("runtime", ["docker", "podman"])
def test_nothing_is_concluded_from_a_runtime_that_does_not_answer(runtime: str) -> None:
    rollout = Rollout(1, 1, runtime="podman", up=0)
    rollout.scene.held["podman"] = {}
    rollout.green(rollout.child_now)
    rollout.scene.step()
    rollout.scene.wait(2)
    rollout.scene.unknown[runtime] = Unknown("gone")
    made = rollout.scene.step()
    assert (made.rows, made.actions) == ((), ())
    assert "does not answer" in made.reasons[rollout.child.id]
    del rollout.scene.unknown[runtime]
    rollout.scene.wait(2)
    rollout.scene.step()
    assert rollout.parent_now.drain_target == 0


# ends


def _fails(rollout: Rollout) -> Plan:
    """The child's last instance ends in a way that nothing can mend."""
    rollout.scene.ends(rollout.new[0], 127)
    return rollout.scene.step()


def test_a_halted_child_fails_the_rollout_once() -> None:
    rollout = Rollout(2, 2)
    rollout.first_step()
    made = _fails(rollout)
    event = the_event(made, "rolling_update_failed")
    assert event.deployment_id == rollout.child.id
    assert event.parent_id == rollout.parent.id
    assert rollout.parent.id in event.message
    assert after(made, rollout.parent).drain_target is None
    for _ in range(5):
        rollout.scene.comes_away()
        rollout.scene.wait(1)
        assert "rolling_update_failed" not in reasons(rollout.scene.step())
    assert rollout.scene.phases(rollout.child) == [Phase.LIVE]  # kept for inspection


def test_a_crash_looping_child_is_halted_and_not_tried_again() -> None:
    rollout = Rollout(1, 1)
    rollout.scene.rows[rollout.child.id] = replace(rollout.child_now, restart_count=4)
    rollout.scene.ends(rollout.new[0], 1)
    made = rollout.scene.step()
    assert reasons(made) == [
        "container_crashed",
        "restart_limit_reached",
        "rolling_update_failed",
    ]
    assert "no further attempt" in the_event(made, "restart_limit_reached").message
    child = after(made, rollout.child)
    assert (child.status, child.next_create_at) == (Status.CRASH_LOOP_BACK_OFF, None)
    assert child.halt_reason is not None
    rollout.scene.comes_away()
    rollout.scene.wait(HOUR)
    assert not actions(rollout.scene.step(), StartInstance)


def test_a_child_that_completes_has_failed_to_take_over() -> None:
    rollout = Rollout(1, 1)
    rollout.scene.ends(rollout.new[0], 0)
    made = rollout.scene.step()
    assert "rolling_update_failed" in reasons(made)
    assert after(made, rollout.child).status is Status.COMPLETED


def test_a_child_deleted_by_hand_is_no_failure_and_the_parent_heals() -> None:
    rollout = Rollout(2, 2)
    rollout.first_step()
    rollout.scene.comes_away()
    rollout.scene.rows[rollout.child.id] = replace(rollout.child_now, status=Status.DELETED)
    made = rollout.scene.step()
    assert "rolling_update_failed" not in reasons(made)
    assert "rolling_update_step" not in reasons(made)
    assert after(made, rollout.parent).drain_target is None
    assert made.wake_at == rollout.scene.mono
    starts = actions(rollout.scene.step(), StartInstance)
    assert [start.deployment_id for start in starts] == [rollout.parent.id]


def test_drained_capacity_stays_drained_for_the_child_that_supersedes() -> None:
    rollout = Rollout(2, 2)
    rollout.first_step()
    rollout.scene.comes_away()
    rollout.scene.step()
    rollout.scene.rows[rollout.child.id] = replace(rollout.child_now, status=Status.DELETED)
    rollout.scene.row(
        Status.CREATING,
        row_id="next",
        spec=rollout.child.spec,
        parent_id=rollout.parent.id,
        age_s=0,
    )
    made = rollout.scene.step()
    assert rollout.parent_now.drain_target == 1
    assert {a.deployment_id for a in actions(made, StartInstance)} == {DeploymentId("next")}


def test_a_parent_deleted_by_hand_leaves_the_child_alone_once_it_is_gone() -> None:
    rollout = Rollout(1, 1)
    rollout.scene.rows[rollout.parent.id] = replace(rollout.parent_now, status=Status.DELETED)
    made = rollout.scene.step()
    assert made.reasons[rollout.child.id].startswith("rolling update: waits until old")
    for _ in range(10):
        rollout.scene.comes_away()
        rollout.scene.wait(1)
        made = rollout.scene.step()
        if rollout.parent.id not in rollout.scene.rows:
            break
    assert reasons(made) == ["rolling_update_complete"]
    assert rollout.child_now.parent_id is None


def test_a_child_without_its_parents_row_is_complete() -> None:
    rollout = Rollout(1, 1)
    del rollout.scene.rows[rollout.parent.id]
    rollout.scene.held["docker"].pop(rollout.old[0].name)
    rollout.scene.ledger.pop(rollout.old[0].name)
    made = rollout.scene.step()
    assert reasons(made) == ["rolling_update_complete"]
    assert after(made, rollout.child).parent_id is None


def _orphaned(**fields: Any) -> Rollout:
    """A child whose parent somebody deleted, and that is gone."""
    rollout = Rollout(1, 1)
    del rollout.scene.rows[rollout.parent.id]
    rollout.scene.held["docker"].pop(rollout.old[0].name)
    rollout.scene.ledger.pop(rollout.old[0].name)
    rollout.scene.rows[rollout.child.id] = replace(rollout.child, **fields)
    return rollout


def test_a_child_that_fails_without_its_parents_row_stands_alone_afterwards() -> None:
    rollout = _orphaned()
    made = _fails(rollout)
    assert "rolling_update_failed" not in reasons(made)
    assert after(made, rollout.child).parent_id is None


@pytest.mark.parametrize("gone", [True, False])
def test_a_child_that_crashes_alone_is_tried_again_as_any_row(gone: bool) -> None:
    rollout = _orphaned(restart_count=4)
    scene = rollout.scene
    if not gone:  # its row at least is there
        scene.rows = {"old": replace(rollout.parent, status=Status.DELETED), **scene.rows}  # type: ignore[dict-item]  # an id
    scene.ends(rollout.new[0], 1)
    made = scene.step()
    assert {"container_crashed", "restart_limit_reached"} <= set(reasons(made))
    assert "next attempt in 300 s" in the_event(made, "restart_limit_reached").message
    assert "rolling_update_failed" not in reasons(made)
    assert rollout.child_now.status is Status.CRASH_LOOP_BACK_OFF
    assert rollout.child_now.halt_reason is None
    scene.comes_away()
    scene.wait(300)
    assert [a.deployment_id for a in actions(scene.step(), StartInstance)] == [rollout.child.id]


def test_a_child_alone_that_has_been_running_has_nobody_to_be_ready_for() -> None:
    rollout = _orphaned()
    rollout.scene.red(rollout.new[0])
    assert reasons(rollout.scene.step()) == ["rolling_update_complete"]
    rollout.scene.wait(HOUR)
    assert is_empty(rollout.scene.step())
    assert rollout.child_now.status is Status.RUNNING


def test_a_child_alone_that_turns_red_does_not_fail_while_its_parent_goes() -> None:
    rollout = Rollout(1, 1)
    rollout.scene.rows[rollout.parent.id] = replace(rollout.parent_now, status=Status.DELETED)
    rollout.scene.red(rollout.new[0])
    rollout.scene.step()
    rollout.scene.wait(HOUR)
    made = rollout.scene.step()
    assert made.reasons[rollout.child.id].startswith("rolling update: waits until old")
    assert rollout.child_now.status is Status.RUNNING


def test_a_child_alone_has_its_own_gate_before_it() -> None:
    rollout = _orphaned(status=Status.CREATING, was_running=False, created_at=START)
    rollout.scene.red(rollout.new[0])
    made = rollout.scene.step()
    assert rollout.child_now.status is Status.CREATING
    rollout.scene.until(made)
    made = rollout.scene.step()
    assert reasons(made) == ["readiness_deadline_exceeded"]
    assert (rollout.child_now.status, rollout.child_now.parent_id) == (Status.FAILED, None)


def test_a_parent_that_retires_while_it_is_drained_heals_after_a_failure() -> None:
    rollout = Rollout(2, 2)
    rollout.first_step()
    rollout.scene.ends(rollout.old[1], 0)
    rollout.scene.step()
    assert rollout.parent_now.status is Status.RUNNING
    rollout.scene.comes_away()
    _fails(rollout)
    assert rollout.parent_now.status is Status.RUNNING
    starts = actions(rollout.scene.step(), StartInstance)
    assert [start.deployment_id for start in starts] == [rollout.parent.id]


def test_a_parent_that_never_ran_does_not_become_running_by_being_drained() -> None:
    rollout = Rollout(1, 1)
    rollout.scene.rows[rollout.parent.id] = replace(
        rollout.parent_now, status=Status.IMAGE_PULL_BACK_OFF, was_running=False
    )
    rollout.scene.held["docker"].pop(rollout.old[0].name)
    rollout.scene.step()
    rollout.scene.wait(1)
    rollout.scene.step()
    assert rollout.parent_now.status in {Status.IMAGE_PULL_BACK_OFF, Status.DELETED}
    assert not rollout.parent_now.was_running


# rollback


def test_a_failed_child_goes_where_its_spec_says_so() -> None:
    rollout = Rollout(2, 2, auto_rollback=True)
    rollout.first_step()
    made = _fails(rollout)
    assert after(made, rollout.child).status is Status.DELETED
    assert after(made, rollout.parent).drain_target is None
    told = the_event(made, "rolled_back")
    assert (told.deployment_id, told.level.value, told.component) == (
        rollout.parent.id,
        "warning",
        "scheduler",
    )
    assert "exit code 127" in told.message
    assert made.revert == ()
    the_event(made, "rolling_update_failed")


@pytest.mark.parametrize(
    "parent",
    [
        {"status": Status.CRASH_LOOP_BACK_OFF, "restart_count": 5},
        {"status": Status.FAILED, "halt_reason": "it did not become ready in time"},
    ],
)
def test_nobody_goes_back_to_what_was_never_good(parent: dict[str, Any]) -> None:
    rollout = Rollout(1, 1, auto_rollback=True)
    rollout.scene.rows[rollout.parent.id] = replace(rollout.parent, **parent)
    made = _fails(rollout)
    assert not after(made, rollout.child).is_deleted
    assert not any(event.reason == "rolled_back" for event in made.events)
    the_event(made, "rolling_update_failed")


def test_a_row_that_fails_alone_and_never_ran_is_reverted() -> None:
    scene = Scene(Limits(rollout_deadline_s=10))
    row = scene.row(
        Status.CREATING,
        spec=spec(auto_rollback=True, health_checks=[CHECK]),
    )
    scene.red(scene.up(row))
    made = scene.step()
    assert made.revert == (row.id,)
    assert after(made, row).status is Status.FAILED
    assert scene.step().revert == ()


def test_a_row_whose_time_is_over_makes_nothing_of_what_it_still_lacks() -> None:
    scene = Scene(Limits(rollout_deadline_s=10))
    row = scene.row(Status.CREATING, spec=spec(replicas=2, health_checks=[CHECK]))
    scene.red(scene.up(row))
    made = scene.step()
    assert after(made, row).status is Status.FAILED
    assert actions(made, StartInstance) == []
    assert made.put_entries == ()


@pytest.mark.parametrize(
    ("fields", "members"),
    [
        ({"was_running": True}, {}),
        ({"cause": Cause.AUTO_ROLLBACK}, {}),
        ({}, {"auto_rollback": False}),
    ],
)
def test_others_are_not_reverted(fields: dict[str, Any], members: dict[str, Any]) -> None:
    scene = Scene()
    row = scene.row(Status.CREATING, spec=spec(**{"auto_rollback": True, **members}), **fields)
    instance = scene.up(row)
    scene.ends(instance, 127)
    made = scene.step()
    assert after(made, row).halt_reason is not None
    assert made.revert == ()


def test_an_instance_in_an_unknown_state_does_not_count_as_capacity() -> None:
    rollout = Rollout(1, 1)
    held = rollout.scene.held["docker"]
    held[rollout.new[0].name] = replace(held[rollout.new[0].name], state=State.UNKNOWN)
    rollout.scene.wait(2)
    made = rollout.scene.step()
    assert not actions(made, RemoveInstance)
    assert rollout.parent_now.drain_target is None
