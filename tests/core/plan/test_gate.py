"""Readiness: when a worker may be running, and what becomes of one that never is."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from ring.core.model.failures import FailureClass
from ring.core.model.ledger import Phase
from ring.core.model.observed import Listing
from ring.core.model.operations import InspectInstance, StartInstance
from ring.core.model.status import Status
from ring.core.plan import gate
from ring.core.plan.draft import Draft, RowDraft
from ring.core.plan.gate import Gate
from ring.core.plan.view import Now
from tests.core.plan.builders import (
    HOUR,
    Scene,
    actions,
    after,
    is_empty,
    reasons,
    spec,
    the_event,
)

CHECK = {
    "type": "tcp",
    "port": 80,
    "interval": "1s",
    "timeout": "1s",
    "on_failure": "alert",
    "readiness": True,
}
ALIVE = {**CHECK, "readiness": False}


def check(**members: object) -> dict[str, object]:
    return {**CHECK, **members}


class Held:
    """A worker in `creating` whose instances are up."""

    def __init__(self, *checks: dict[str, object], up: int = 1, age_s: float = 30, **more: Any):
        self.scene = Scene()
        self.row = self.scene.row(
            Status.CREATING,
            spec=spec(replicas=up, health_checks=list(checks or (CHECK,))),
            age_s=age_s,
            **more,
        )
        self.up = [self.scene.up(self.row) for _ in range(up)]

    @property
    def draft(self) -> RowDraft:
        view = self.scene.view()
        draft = Draft(view, Now(self.scene.mono, self.scene.wall()), lambda: "")
        seen = view.runtimes["docker"].seen
        assert isinstance(seen, Listing)
        return RowDraft(draft, self.scene.now(self.row), seen)

    @property
    def status(self) -> Status:
        return self.scene.now(self.row).status


def test_one_result_missing_is_pending_even_beside_a_failure() -> None:
    held = Held(CHECK, check(port=81))
    assert gate.is_ready(held.draft) is Gate.PENDING
    held.scene.red(held.up[0])
    assert gate.is_ready(held.draft) is Gate.PENDING
    held.scene.red(held.up[0], index=1)
    assert gate.is_ready(held.draft) is Gate.FAILING


@pytest.mark.parametrize("status", ["failed", "timeout"])
def test_one_red_instance_is_not_masked_by_another(status: str) -> None:
    held = Held(up=2)
    held.scene.green(held.up[0])
    held.scene.red(held.up[1], status=status)
    assert gate.is_ready(held.draft) is Gate.FAILING
    assert [one.name for one in gate.ready_instances(held.draft)] == [held.up[0].name]
    made = held.scene.step()
    assert held.status is Status.CREATING
    assert made.reasons[held.row.id] == "waits for readiness: 1 of 2 instances green"


def test_a_check_that_is_no_readiness_check_gates_nothing() -> None:
    held = Held(ALIVE)
    held.scene.red(held.up[0])
    assert gate.is_ready(held.draft) is Gate.READY
    held.scene.step()
    assert held.status is Status.RUNNING


@pytest.mark.parametrize(
    ("times", "window"),
    [
        ([None], 10),
        (["6s"], 6),
        (["0s"], 0),
        (["750ms"], 0.75),
        (["2s", "30s"], 30),
        (["2s", None], 10),
        (["soon"], 10),
    ],
)
def test_the_window(times: list[str | None], window: float) -> None:
    checks = [
        check() if time is None else check(min_healthy_time=time, port=80 + index)
        for index, time in enumerate(times)
    ]
    held = Held(*checks)
    for index in range(len(checks)):
        held.scene.green(held.up[0], since=window, index=index)
    assert gate.is_ready(held.draft) is Gate.READY
    if window:
        held.scene.green(held.up[0], since=window - 0.5)
        made = held.scene.step()
        assert held.status is Status.CREATING
        assert made.wake_at == held.scene.mono + 0.5
        held.scene.until(made)
    held.scene.step()
    assert held.status is Status.RUNNING


def test_a_success_in_the_future_has_just_begun() -> None:
    held = Held()
    held.scene.green(held.up[0], since=-500)
    made = held.scene.step()
    assert made.wake_at == held.scene.mono + 10
    assert made.reasons[held.row.id] == (
        "waits for readiness: 1 of 1 instances green, window ends in 10 s"
    )


def test_the_transition_is_told_with_the_status_and_not_before() -> None:
    held = Held()
    assert held.scene.step().events == ()
    held.scene.green(held.up[0], since=10)
    made = held.scene.step()
    assert reasons(made) == ["state_transition"]
    assert held.status is Status.RUNNING
    assert held.scene.now(held.row).was_running


def test_an_instance_is_not_promoted_before_it_was_seen_to_stay() -> None:
    scene = Scene()
    row = scene.row(Status.CREATING, spec=spec(health_checks=[check(min_healthy_time="0s")]))
    row = scene.rows[row.id] = replace(row, created_at=scene.wall(5))
    instance = scene.up(row, Phase.SETTLING)
    scene.green(instance)
    scene.until(scene.step())
    made = scene.step()
    assert [one.settle for one in actions(made, InspectInstance)] == [True]
    assert scene.now(row).status is Status.CREATING


def test_red_readiness_never_moves_what_has_been_running() -> None:
    held = Held()
    held.scene.rows[held.row.id] = replace(held.row, status=Status.RUNNING, was_running=True)
    held.scene.red(held.up[0])
    held.scene.wait(HOUR)
    assert not held.scene.step().writes


def test_what_was_running_comes_out_of_an_error_without_a_gate() -> None:
    held = Held(was_running=True)
    held.scene.rows[held.row.id] = replace(held.row, status=Status.NETWORK_ERROR, was_running=True)
    held.scene.red(held.up[0])
    held.scene.step()
    assert held.status is Status.RUNNING


def test_what_never_ran_comes_out_of_an_error_to_stand_before_the_gate() -> None:
    held = Held()
    held.scene.rows[held.row.id] = replace(held.row, status=Status.NETWORK_ERROR)
    made = held.scene.step()
    assert held.status is Status.CREATING
    assert made.events == ()


def test_a_crash_loop_that_never_was_ready_ends_before_the_gate() -> None:
    held = Held(check(start_period="2h"), restart_count=5)
    held.scene.rows[held.row.id] = replace(held.row, status=Status.CRASH_LOOP_BACK_OFF)
    held.scene.step()
    held.scene.wait(10)
    made = held.scene.step()
    assert reasons(made) == ["restart_count_reset"]
    assert held.status is Status.CREATING


# the deadline


@pytest.mark.parametrize("up", [0, 1])
def test_a_worker_that_is_not_ready_in_time_has_failed(up: int) -> None:
    held = Held(up=1)
    if not up:
        held.scene.held["docker"].clear()
        held.scene.ledger.clear()
    made = held.scene.step()
    assert made.wake_at == held.scene.mono + 570
    held.scene.until(made)
    made = held.scene.step()
    event = the_event(made, "readiness_deadline_exceeded")
    assert (event.level.value, event.component) == ("error", "scheduler")
    row = after(made, held.row)
    assert (row.status, row.next_create_at) == (Status.FAILED, None)
    assert row.halt_reason is not None
    assert not actions(made, StartInstance)
    assert held.scene.phases(row) == [Phase.LIVE] * up or not up
    assert "rolling_update_failed" not in reasons(made)


@pytest.mark.parametrize(
    ("periods", "wait_s"),
    [([None], 600), (["40s"], 640), (["40s", "1m"], 660), (["ages"], 600)],
)
def test_the_start_period_postpones_it(periods: list[str | None], wait_s: float) -> None:
    checks = [check() if one is None else check(start_period=one) for one in periods]
    made = Held(*checks, age_s=0).scene.step()
    assert made.wake_at == pytest.approx(1000 + wait_s)


def test_a_clock_that_jumps_moves_the_deadline_by_one_whole_wait_at_most() -> None:
    held = Held()
    held.scene.jumped = timedelta(days=-1)
    assert held.scene.step().wake_at == held.scene.mono + 600
    held.scene.jumped = timedelta(days=1)
    assert held.scene.step().wake_at == held.scene.mono + 600  # it was read once


@pytest.mark.parametrize("time", ["9999999999h", "9" * 90 + "h"])
def test_a_start_that_may_take_longer_than_time_lasts(time: str) -> None:
    held = Held(check(start_period=time, min_healthy_time=time))
    for instance in held.up:
        held.scene.green(instance)
    assert after(held.scene.plan(), held.row).status is Status.CREATING


def test_a_creation_that_nobody_knows_never_expires() -> None:
    held = Held()
    held.scene.rows[held.row.id] = replace(held.row, created_at=datetime(1970, 1, 1, tzinfo=UTC))
    made = held.scene.step()
    assert made.wake_at is None
    assert held.status is Status.CREATING


@pytest.mark.parametrize("checks", [(), (ALIVE,)])
def test_without_a_readiness_check_there_is_no_deadline(
    checks: tuple[dict[str, object], ...],
) -> None:
    scene = Scene()
    row = scene.row(Status.CREATING, spec=spec(health_checks=list(checks)))
    scene.step()
    scene.wait(HOUR)
    scene.step()
    assert scene.now(row).status is Status.CREATING


def test_a_create_that_fails_owns_the_status() -> None:
    scene = Scene()
    row = scene.row(Status.CREATING, spec=spec(health_checks=[CHECK]), age_s=599)
    scene.step()
    (start,) = scene.flying(StartInstance)
    scene.refused(start, FailureClass.IMAGE_PULL_FAILED)
    scene.step()
    scene.wait(HOUR)
    made = scene.step()
    assert scene.now(row).status is Status.IMAGE_PULL_BACK_OFF
    assert "readiness_deadline_exceeded" not in reasons(made)


def test_a_worker_held_back_heals() -> None:
    held = Held()
    held.scene.ends(held.up[0])
    (start,) = actions(held.scene.step(), StartInstance)
    assert start.deployment_id == held.row.id
    assert held.status is Status.CREATING


def test_nothing_wanted_needs_nobody_ready() -> None:
    scene = Scene()
    row = scene.row(Status.CREATING, spec=spec(replicas=0, health_checks=[CHECK]))
    scene.step()
    assert scene.now(row).status is Status.RUNNING


def test_nothing_wanted_is_reached_once_what_it_replaces_is_gone() -> None:
    """As running it would have instances beside older ones as soon as it is scaled."""
    scene = Scene()
    scene.up(scene.row(Status.DELETED, row_id="old"))
    row = scene.row(Status.CREATING, stopped=True)
    made = scene.step()
    assert made.reasons[row.id] == "an older revision is still being removed"
    scene.rows[row.id] = replace(scene.now(row), stopped=False)
    assert actions(scene.step(), StartInstance) == []
    scene.rows[row.id] = replace(scene.now(row), stopped=True)
    scene.comes_away()
    scene.step()
    assert scene.now(row).status is Status.RUNNING


@pytest.mark.parametrize(
    "status", [Status.IMAGE_PULL_BACK_OFF, Status.CONFIG_ERROR, Status.INSUFFICIENT_RESOURCES]
)
def test_nothing_wanted_is_reached_out_of_an_error_in_one_pass(status: Status) -> None:
    scene = Scene()
    row = scene.row(
        status,
        spec=spec(health_checks=[CHECK]),
        stopped=True,
        was_running=False,
        next_create_at=scene.wall(-30),
    )
    made = scene.step()
    assert scene.now(row).status is Status.RUNNING
    assert scene.now(row).next_create_at is None
    assert reasons(made) == ["state_transition"]
    assert is_empty(scene.step())


def test_the_failure_of_what_is_not_wanted_any_more_is_not_shown_until_the_next_tick() -> None:
    scene = Scene()
    row = scene.row(Status.CREATING, spec=spec(health_checks=[CHECK]), age_s=1)
    scene.step()
    scene.rows[row.id] = replace(scene.now(row), stopped=True)
    scene.refused(scene.flying(StartInstance)[0], FailureClass.IMAGE_PULL_FAILED)
    scene.step()
    assert scene.now(row).status is Status.RUNNING
