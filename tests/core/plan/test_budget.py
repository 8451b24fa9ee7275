"""The restart budget: waiting, giving up, trying again slowly, forgiving."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from ring.core.model.events import Level
from ring.core.model.failures import FailureClass
from ring.core.model.ledger import Phase, Why
from ring.core.model.observed import Exit, State
from ring.core.model.operations import Inspected, InspectInstance, RemoveInstance, StartInstance
from ring.core.model.status import Status
from ring.core.plan.view import Limits
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
    from ring.core.plan.view import Plan

LOOP = Status.CRASH_LOOP_BACK_OFF


def crash(scene: Scene, row: Deployment) -> Plan:
    """Whatever is being started comes up and ends with 1; the plan is the one that judges it."""
    (operation,) = scene.flying(StartInstance)
    scene.passed += 0.01
    instance = scene.started(operation)
    scene.step()
    scene.passed += 0.01
    scene.ends(instance)
    return scene.step()


# waiting


def test_a_program_that_always_crashes_waits_longer_each_time_and_ends_in_a_crash_loop() -> None:
    scene = Scene()
    row = scene.row(Status.CREATING)
    scene.step()
    waited = []
    while True:
        made = crash(scene, row)
        if scene.now(row).status is LOOP:
            break
        before = scene.mono
        if not actions(made, StartInstance):
            scene.until(made)
            made = scene.step()
        assert len(actions(made, StartInstance)) == 1
        waited.append(round(scene.mono - before, 3))
    assert waited == [0, 1, 2, 4]
    assert scene.now(row).restart_count == 5
    assert reasons(made)[-2:] == ["container_crashed", "restart_limit_reached"]


def test_during_a_wait_nothing_is_created_and_everything_else_goes_on() -> None:
    scene = Scene()
    row = scene.row(replicas=2, restart_count=4, next_create_at=scene.wall(-4))
    dead = scene.ended(row, signalled=True, code=0)
    made = scene.step()
    assert [one.name for one in actions(made, RemoveInstance)] == [dead.name]
    assert actions(made, StartInstance) == []
    assert made.wake_at == scene.mono + 4
    assert made.reasons[row.id] == "2 of 2 instances missing: next attempt in 4 s"


def limited(scene: Scene, retry_after_s: float) -> Plan:
    """The registry refuses the start in flight and asks for a wait."""
    (operation,) = scene.flying(StartInstance)
    scene.refused(operation, FailureClass.IMAGE_PULL_FAILED, retry_after_s=retry_after_s)
    return scene.step()


def test_no_create_comes_before_whoever_refused_wants_it() -> None:
    scene = Scene()
    row = scene.row(Status.CREATING)
    scene.step()
    made = limited(scene, 200.0)
    event = the_event(made, "image_pull_back_off")
    assert event.message.endswith("(failure 1 of 5; next attempt in 200 s)")
    assert made.wake_at == scene.mono + 200
    assert scene.now(row).next_create_at == scene.wall(-200)
    scene.wait(199)
    assert actions(scene.step(), StartInstance) == []
    scene.wait(1)
    assert len(actions(scene.step(), StartInstance)) == 1
    made = limited(scene, 0.5)  # less than the wait for a second failure
    assert made.wake_at == scene.mono + 1


def test_a_crash_loop_waits_as_long_as_is_asked_for_too() -> None:
    scene = Scene(Limits(crash_loop_retry_s=60.0))
    row = scene.row(Status.IMAGE_PULL_BACK_OFF, restart_count=4)
    scene.step()
    made = limited(scene, 200.0)
    assert scene.now(row).status is LOOP
    assert made.wake_at == scene.mono + 200
    assert "next attempt in 200 s" in the_event(made, "restart_limit_reached").message
    scene.wait(200)
    scene.step()
    made = limited(scene, 90.0)
    assert made.wake_at == scene.mono + 90
    scene.wait(90)
    scene.step()
    made = limited(scene, 30.0)
    assert made.wake_at == scene.mono + 60


def test_a_wait_goes_on_after_a_kill_of_the_server() -> None:
    scene = Scene()
    scene.row(restart_count=5 - 1, next_create_at=scene.wall(-4))
    scene.step()
    scene.wait(1)
    scene.forgotten()
    assert scene.step().wake_at == scene.mono + 3
    scene.wait(3)
    assert len(actions(scene.step(), StartInstance)) == 1


def test_a_wall_clock_set_forward_does_not_shorten_a_wait_that_was_read() -> None:
    scene = Scene()
    scene.row(restart_count=4, next_create_at=scene.wall(-4))
    scene.step()
    scene.jumped = timedelta(days=1)
    scene.wait(3.9)
    assert is_empty(scene.step())
    scene.wait(0.1)
    assert len(scene.step().actions) == 1


def test_a_wall_clock_set_back_does_not_lengthen_a_wait_that_was_read() -> None:
    scene = Scene()
    scene.row(restart_count=4, next_create_at=scene.wall(-4))
    scene.step()
    scene.jumped = timedelta(days=-1)
    scene.wait(4)
    assert len(scene.step().actions) == 1


@pytest.mark.parametrize(
    ("status", "count", "longest_s"), [(Status.RUNNING, 3, 60.0), (LOOP, 5, 300.0)]
)
def test_a_wall_clock_set_back_while_ring_was_down_costs_the_longest_wait_at_most(
    status: Status, count: int, longest_s: float
) -> None:
    scene = Scene()
    scene.row(status, restart_count=count, next_create_at=scene.wall(-4))
    scene.jumped = timedelta(days=-1)
    assert scene.step().wake_at == scene.mono + longest_s
    scene.wait(longest_s)
    assert len(actions(scene.step(), StartInstance)) == 1


def test_a_wait_that_is_over_when_ring_starts_is_no_wait() -> None:
    scene = Scene()
    scene.row(restart_count=4, next_create_at=scene.wall(30))
    assert len(actions(scene.step(), StartInstance)) == 1


# giving up


@pytest.mark.parametrize(("replicas", "budget"), [(1, 5), (5, 5), (8, 8)])
def test_the_budget_is_the_larger_of_five_and_the_target(replicas: int, budget: int) -> None:
    scene = Scene()
    row = scene.row(replicas=replicas, restart_count=budget - 1)
    scene.ended(row)
    made = scene.plan()
    assert after(made, row).status is LOOP
    scene.rows[row.id] = replace(row, restart_count=budget - 2)
    assert after(scene.plan(), row).status is Status.RUNNING


def test_a_row_that_wants_nothing_any_more_is_in_no_crash_loop() -> None:
    scene = Scene()
    row = scene.row(replicas=0, restart_count=6)
    dead = scene.ended(row)
    made = scene.step()
    assert reasons(made) == ["container_crashed"]
    assert [one.name for one in actions(made, RemoveInstance)] == [dead.name]
    assert scene.now(row).status is Status.RUNNING


def test_a_crash_loop_that_is_stopped_ends_and_may_be_started_again() -> None:
    scene = Scene()
    row = scene.row(LOOP, restart_count=5, stopped=True, next_create_at=scene.wall())
    made = scene.step()
    assert reasons(made) == ["state_transition"]
    stopped = scene.now(row)
    assert (stopped.status, stopped.next_create_at) == (Status.RUNNING, None)
    scene.rows[row.id] = replace(stopped, stopped=False)
    assert len(actions(scene.step(), StartInstance)) == row.spec.replicas


def test_a_smaller_target_alone_spends_nothing() -> None:
    scene = Scene()
    row = scene.row(replicas=8, restart_count=7)
    scene.ended(row, 0)
    assert reasons(scene.plan()) == ["container_completed"]


def test_the_next_failure_is_held_against_the_smaller_target() -> None:
    scene = Scene()
    row = scene.row(Status.RUNNING, replicas=2, restart_count=6)
    scene.ended(row)
    assert reasons(scene.plan()) == ["container_crashed", "restart_limit_reached"]


@pytest.mark.parametrize(
    "status", [Status.CREATING, Status.RUNNING, Status.NETWORK_ERROR, Status.ERROR]
)
def test_the_failure_that_spends_the_budget_tells_so_in_the_same_pass(status: Status) -> None:
    scene = Scene()
    row = scene.row(status, replicas=2, restart_count=4)
    scene.ended(row)
    waiting = scene.entry(row, Phase.CREATING)
    operation = scene.in_flight(StartInstance(row.id, waiting.name))
    made = scene.step()
    assert told(made) == [
        (Level.ERROR, "container_crashed", "docker"),
        (Level.ERROR, "restart_limit_reached", "scheduler"),
    ]
    assert made.events[1].message == (
        "5 failures without a healthy while in between (budget 5): next attempt in 300 s; "
        "apply again to start over"
    )
    assert scene.now(row).status is LOOP
    assert scene.now(row).halt_reason is None
    assert made.cancel == (operation.id,)
    assert made.wake_at == scene.mono + 300
    assert actions(made, StartInstance) == []


def test_a_failed_create_spends_the_budget_like_a_crash() -> None:
    scene = Scene()
    row = scene.row(Status.CREATE_CONTAINER_ERROR, restart_count=4)
    entry = scene.entry(row, Phase.CREATING)
    scene.refused(
        scene.in_flight(StartInstance(row.id, entry.name)), FailureClass.INSTANCE_REJECTED
    )
    made = scene.step()
    assert reasons(made) == ["instance_creation_failed", "restart_limit_reached"]
    assert scene.now(row).status is LOOP
    assert scene.now(row).restart_count == 5
    assert made.actions == ()


def test_until_the_first_attempt_nothing_changes() -> None:
    scene = Scene()
    row = scene.row(restart_count=4)
    scene.ended(row)
    scene.step()
    scene.comes_away()
    scene.step()
    scene.wait(299)
    assert is_empty(scene.step())


def test_never_gives_up_for_good() -> None:
    scene = Scene(Limits(crash_loop_retry_s=None))
    row = scene.row(restart_count=4)
    scene.ended(row)
    made = scene.step()
    assert "no further attempt is made" in the_event(made, "restart_limit_reached").message
    assert scene.now(row).status is LOOP
    assert scene.now(row).halt_reason == "the restart budget is spent"
    assert scene.now(row).next_create_at is None
    scene.comes_away()
    scene.step()
    scene.wait(86_400)
    assert is_empty(scene.step())


def test_never_is_not_undone_by_an_instance_that_survived() -> None:
    scene = Scene(Limits(crash_loop_retry_s=None))
    row = scene.row(replicas=2, restart_count=4)
    scene.up(row)
    scene.ended(row)
    scene.step()
    scene.comes_away()
    scene.step()
    for _ in range(3):
        scene.wait(20)
        assert is_empty(scene.step())
    assert scene.now(row).status is LOOP


def test_never_holds_for_a_row_that_was_waiting_for_an_attempt() -> None:
    scene = Scene(Limits(crash_loop_retry_s=None))
    row = scene.row(LOOP, restart_count=5, next_create_at=scene.wall(-10))
    scene.wait(10)
    made = scene.plan()
    assert made.actions == ()
    assert made.reasons[row.id].endswith("the restart budget is spent")


# trying again slowly


def looping(scene: Scene, *, replicas: int = 1, survivors: int = 0) -> tuple[Deployment, Instance]:
    """A row in its crash loop whose attempt is up and settling."""
    row = scene.row(LOOP, replicas=replicas, restart_count=5, next_create_at=scene.wall(-300))
    for _ in range(survivors):
        scene.up(row)
    scene.wait(300)
    made = scene.step()
    assert len(actions(made, StartInstance)) == 1
    assert scene.now(row).next_create_at is None
    instance = scene.started(scene.operations[0])
    assert reasons(scene.step()) == ["scale_up"]
    assert scene.phases(row)[-1] is Phase.SETTLING
    return row, instance


def confirm(scene: Scene, instance: Instance) -> Plan:
    scene.wait(0.3)
    made = scene.step()
    assert [type(one) for one in made.actions] == [InspectInstance]
    scene.comes_of(scene.operations[0], Inspected(instance))
    return scene.step()


def test_one_attempt_is_made_and_no_second_one_beside_it() -> None:
    scene = Scene()
    row, _ = looping(scene, replicas=3)
    made = scene.step()
    assert made.actions == ()
    assert made.reasons[row.id] == "2 of 3 instances missing: an attempt is under way"


def test_a_survivor_is_not_taken_for_an_attempt_that_came_to_nothing() -> None:
    scene = Scene()
    row, instance = looping(scene, replicas=2, survivors=1)
    scene.held["docker"].pop(instance.name)
    made = scene.step()
    assert reasons(made) == ["instances_recovered"]
    assert len(actions(made, StartInstance)) == 1
    assert scene.now(row).status is LOOP
    scene.wait(11)
    scene.step()
    assert scene.now(row).status is LOOP
    assert scene.now(row).restart_count == 5


def test_an_attempt_that_crashes_counts_and_the_wait_starts_again() -> None:
    scene = Scene()
    row, instance = looping(scene)
    scene.ends(instance)
    made = scene.step()
    assert reasons(made) == ["liveness_unconfirmed", "container_crashed"]
    assert scene.now(row).status is LOOP
    assert scene.now(row).restart_count == 6
    assert made.wake_at == scene.mono + 300


def test_an_attempt_that_cannot_be_created_counts_and_the_wait_starts_again() -> None:
    scene = Scene()
    row = scene.row(LOOP, restart_count=5, next_create_at=scene.wall(0))
    scene.step()
    scene.refused(scene.operations[0], FailureClass.NETWORK_FAILED)
    made = scene.step()
    assert reasons(made) == ["network_creation_failed"]
    assert scene.now(row).status is LOOP
    assert scene.now(row).restart_count == 6
    assert made.wake_at == scene.mono + 300
    assert made.actions == ()


def test_an_attempt_that_cannot_be_executed_ends_the_trying() -> None:
    scene = Scene()
    row, instance = looping(scene)
    scene.ends(instance, 127)
    made = scene.step()
    assert reasons(made) == ["liveness_unconfirmed", "container_crashed", "non_retryable_exit"]
    assert scene.now(row).status is Status.CREATE_CONTAINER_ERROR
    assert scene.now(row).halt_reason == "exit code 127"


def test_an_attempt_that_lives_ends_the_crash_loop_and_the_rest_is_created() -> None:
    scene = Scene()
    row, instance = looping(scene, replicas=3)
    made = confirm(scene, instance)
    assert made.wake_at == scene.mono + 10
    assert scene.now(row).status is LOOP
    scene.until(made)
    made = scene.step()
    assert told(made) == [
        (Level.INFO, "restart_count_reset", "scheduler"),
        (Level.INFO, "state_transition", "scheduler"),
    ]
    assert "Healthy for 10 s: 5 earlier failures" in made.events[0].message
    assert made.events[1].message == (
        "crash_loop_back_off → creating → running with 1 live instance"
    )
    assert scene.now(row).status is Status.RUNNING
    assert scene.now(row).restart_count == 0
    assert made.wake_at == scene.mono
    assert len(actions(scene.step(), StartInstance)) == 2


def test_an_attempt_that_dies_within_the_window_is_a_failure() -> None:
    scene = Scene()
    row, instance = looping(scene)
    confirm(scene, instance)
    scene.wait(9.9)
    scene.ends(instance)
    made = scene.step()
    assert scene.now(row).restart_count == 6
    assert scene.now(row).status is LOOP
    assert made.wake_at == scene.mono + 300


def test_the_death_of_a_survivor_is_not_counted_in_a_crash_loop() -> None:
    scene = Scene()
    due = scene.wall(-200)
    row = scene.row(LOOP, replicas=2, restart_count=5, next_create_at=due)
    survivor = scene.up(row)
    scene.ends(survivor)
    made = scene.step()
    assert reasons(made) == ["container_crashed"]
    assert scene.now(row).restart_count == 5
    assert scene.now(row).next_create_at == due
    assert [one.name for one in actions(made, RemoveInstance)] == [survivor.name]


def test_the_death_of_a_survivor_beside_an_attempt_is_not_counted() -> None:
    scene = Scene()
    row, _ = looping(scene, replicas=3, survivors=1)
    survivor = next(iter(scene.held["docker"].values()))
    scene.ends(survivor)
    scene.step()
    assert scene.now(row).restart_count == 5
    assert scene.now(row).next_create_at is None


def test_the_death_of_a_survivor_while_an_attempt_is_made_is_not_counted() -> None:
    scene = Scene()
    row = scene.row(LOOP, replicas=2, restart_count=5, next_create_at=scene.wall(0))
    survivor = scene.up(row)
    scene.step()
    scene.ends(survivor)
    scene.step()
    assert scene.now(row).restart_count == 5


def test_an_attempt_while_the_engine_is_away_is_made_again() -> None:
    scene = Scene()
    row = scene.row(LOOP, restart_count=5, next_create_at=scene.wall(0))
    scene.step()
    scene.refused(scene.operations[0], FailureClass.UNAVAILABLE)
    made = scene.step()
    assert reasons(made) == []
    scene.until(made)
    assert len(actions(scene.step(), StartInstance)) == 1
    assert scene.now(row).restart_count == 5


@pytest.mark.parametrize("signalled", [True, False])
def test_an_attempt_that_ends_cleanly_does_not_hold_up_the_next(signalled: bool) -> None:
    scene = Scene()
    row, instance = looping(scene, replicas=2)
    scene.ends(instance, 0, signalled=signalled)
    made = scene.step()
    assert len(actions(made, StartInstance)) == 1
    assert scene.now(row).restart_count == 5


def test_an_attempt_that_is_removed_from_outside_is_made_again() -> None:
    scene = Scene()
    row, _ = looping(scene)
    scene.held["docker"].clear()
    made = scene.step()
    assert reasons(made) == ["instances_recovered"]
    assert len(actions(made, StartInstance)) == 1
    assert scene.now(row).restart_count == 5


def test_the_last_attempt_that_finishes_its_work_completes_the_row() -> None:
    scene = Scene()
    row, instance = looping(scene)
    scene.ends(instance, 0)
    scene.step()
    assert scene.now(row).status is Status.COMPLETED
    assert scene.now(row).next_create_at is None


def test_an_attempt_that_a_killed_server_had_begun_goes_on() -> None:
    scene = Scene()
    row = scene.row(LOOP, restart_count=5, next_create_at=scene.wall(0))
    scene.step()
    scene.forgotten()
    made = scene.step()
    (start,) = actions(made, StartInstance)
    assert start.resume
    assert scene.phases(row) == [Phase.CREATING]


# forgiving


@pytest.mark.parametrize("status", [Status.CREATING, Status.RUNNING])
def test_failures_are_forgotten_after_ten_healthy_seconds(status: Status) -> None:
    scene = Scene()
    row = scene.row(
        status, restart_count=3, next_create_at=scene.wall(5), counted_death_at=scene.wall(5)
    )
    scene.up(row)
    made = scene.step()
    assert made.wake_at == scene.mono + 10
    scene.wait(9.9)
    made = scene.step()
    assert scene.now(row).restart_count == 3
    assert made.wake_at == pytest.approx(scene.mono + 0.1)
    scene.wait(0.1)
    made = scene.step()
    assert told(made) == [(Level.INFO, "restart_count_reset", "scheduler")]
    assert made.events[0].message == "Healthy for 10 s: 3 earlier failures are forgotten"
    forgiven = scene.now(row)
    assert forgiven.restart_count == 0
    assert forgiven.next_create_at is None
    assert forgiven.counted_death_at is None
    assert is_empty(scene.step())


def test_a_failure_starts_the_window_again() -> None:
    scene = Scene()
    row = scene.row(restart_count=1)
    instance = scene.up(row)
    scene.step()
    scene.wait(9)
    scene.ends(instance)
    scene.step()
    assert scene.now(row).restart_count == 2
    scene.wait(1)
    scene.step()
    scene.started(scene.flying(StartInstance)[0])
    assert scene.step().wake_at == scene.mono + 10
    assert scene.now(row).restart_count == 2


def test_below_the_target_nothing_is_forgotten() -> None:
    scene = Scene()
    row = scene.row(replicas=2, restart_count=3, next_create_at=scene.wall(-60))
    scene.up(row)
    scene.step()
    scene.wait(30)
    scene.step()
    assert scene.now(row).restart_count == 3


def test_a_row_that_wants_nothing_is_not_healthy() -> None:
    scene = Scene()
    row = scene.row(replicas=0, restart_count=3)
    scene.step()
    scene.wait(30)
    scene.step()
    assert scene.now(row).restart_count == 3


def test_in_an_error_nothing_is_forgotten() -> None:
    scene = Scene()
    row = scene.row(Status.IMAGE_PULL_BACK_OFF, restart_count=3, halt_reason="no such image")
    scene.up(row)
    scene.step()
    scene.wait(30)
    scene.step()
    assert scene.now(row).restart_count == 3


def test_the_window_starts_over_with_the_server() -> None:
    scene = Scene()
    row = scene.row(restart_count=3)
    scene.up(row)
    scene.step()
    scene.wait(9)
    scene.forgotten()
    assert scene.step().wake_at == scene.mono + 10
    assert scene.now(row).restart_count == 3


# what is told


@pytest.mark.parametrize(
    ("failures", "said"),
    [
        (1, "1 of 5; next attempt at once"),
        (2, "2 of 5; next attempt in 1 s"),
        (4, "4 of 5; next attempt in 4 s"),
        (5, "5 of 5"),
    ],
)
def test_a_failure_says_how_often_and_what_comes_next(failures: int, said: str) -> None:
    scene = Scene()
    row = scene.row(restart_count=failures - 1)
    scene.ended(row, 3)
    message = the_event(scene.plan(), "container_crashed").message
    assert message.endswith(f"(restart count {said})")


@pytest.mark.parametrize(
    ("retry_s", "said"), [(90.0, "next attempt in 90 s"), (None, "no further attempt")]
)
def test_in_a_crash_loop_the_slow_attempt_comes_next(retry_s: float | None, said: str) -> None:
    scene = Scene(Limits(crash_loop_retry_s=retry_s))
    row = scene.row(Status.CRASH_LOOP_BACK_OFF, restart_count=5)
    entry = scene.entry(row, Phase.LIVE, reason=Why.ATTEMPT)
    end = Exit(3, scene.wall())
    scene.found(row, entry, State.EXITED, end=end)
    message = the_event(scene.plan(), "container_crashed").message
    assert message.endswith(f"(restart count 6; {said})")


# the window


def _checks(*windows: str | None) -> list[dict[str, object]]:
    """Checks with these healthy times; None is one that is no readiness check."""
    check = {"type": "tcp", "port": 1, "interval": "1s", "timeout": "1s", "on_failure": "alert"}
    return [
        check if window is None else {**check, "readiness": True, "min_healthy_time": window}
        for window in windows
    ]


@pytest.mark.parametrize(
    ("checks", "window_s"),
    [
        ([], 10.0),
        (_checks(None), 10.0),
        (_checks("6s"), 6.0),
        (_checks("6s", None, "90s"), 90.0),
        (_checks("0s"), 1.0),
        (_checks("200ms"), 1.0),
        ([{**_checks(None)[0], "readiness": True}], 10.0),
        ([{**_checks(None)[0], "readiness": True}, *_checks("3s")], 10.0),
    ],
)
def test_failures_are_forgiven_after_the_longest_healthy_time_of_the_readiness_checks(
    checks: list[dict[str, object]], window_s: float
) -> None:
    scene = Scene()
    row = scene.row(spec=spec(health_checks=checks), restart_count=3)
    scene.up(row)
    made = scene.step()
    assert made.wake_at == scene.mono + window_s
    scene.until(made)
    made = scene.step()
    assert scene.now(row).restart_count == 0
    assert f"Healthy for {window_s:g} s" in the_event(made, "restart_count_reset").message


@pytest.mark.parametrize("window", ["4s", None])
def test_a_row_that_is_held_by_its_gate_earns_forgiveness_as_well(window: str | None) -> None:
    check = {**_checks(None)[0], "readiness": True, "min_healthy_time": window}
    check["start_period"] = "2h"  # the row was made an hour ago
    scene = Scene()
    row = scene.row(Status.CREATING, spec=spec(health_checks=[check]), restart_count=3)
    scene.up(row)
    scene.step()
    scene.wait(4 if window else 10)
    made = scene.step()
    assert scene.now(row).restart_count == 0
    assert scene.now(row).status is Status.CREATING
    assert reasons(made) == ["restart_count_reset"]


# what it waits for


def test_a_crash_loop_says_what_it_waits_for() -> None:
    scene = Scene()
    row = scene.row(LOOP, restart_count=7, next_create_at=scene.wall(-120))
    assert scene.plan().reasons[row.id] == (
        "1 of 1 instances missing: in a crash loop after 7 failures; next attempt in 120 s"
    )


def test_what_is_missing_is_what_it_waits_for() -> None:
    scene = Scene()
    row = scene.row(Status.CREATING)
    scene.step()
    scene.refused(scene.operations[0], FailureClass.SECRET_UNRESOLVED, inputs=0)
    assert scene.step().reasons[row.id] == (
        "1 of 1 instances missing: what it refers to is missing; "
        "looked for at once when it is there, and in 10 s"
    )
