"""The rules of health checks: what runs in which phase, what counts, when an action is due."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ring.core import health
from ring.core.model.deployment import Deployment
from ring.core.model.health import OUTCOMES, CheckState, Health
from ring.core.model.ids import DeploymentId
from ring.core.model.status import CREATING, Status
from tests.store.builders import START, spec

GATE = {
    "type": "tcp",
    "port": 80,
    "interval": "1s",
    "timeout": "1s",
    "on_failure": "alert",
    "readiness": True,
}
ALIVE = {**GATE, "readiness": False}


def row(status: Status, *, was_running: bool = False, kind: str = "worker") -> Deployment:
    declared = spec(kind=kind, health_checks=[ALIVE, GATE, ALIVE])
    return Deployment(DeploymentId("d"), declared, status, START, was_running=was_running)


@pytest.mark.parametrize(
    ("status", "was_running", "runs", "counts"),
    [
        (Status.PENDING, False, (1,), False),
        (Status.CREATING, False, (1,), False),
        (Status.RUNNING, False, (0, 1, 2), True),
        (Status.RUNNING, True, (0, 1, 2), True),
        (Status.ERROR, False, (1,), False),
        (Status.ERROR, True, (0, 1, 2), True),
        (Status.CRASH_LOOP_BACK_OFF, False, (1,), False),
        (Status.CRASH_LOOP_BACK_OFF, True, (0, 1, 2), True),
        (Status.FAILED, False, (1,), False),
        (Status.COMPLETED, True, (0, 1, 2), True),
        (Status.DELETED, False, (), False),
    ],
)
def test_a_workers_status_decides_what_runs_and_counts(
    status: Status, was_running: bool, runs: tuple[int, ...], counts: bool
) -> None:
    worker = row(status, was_running=was_running)
    assert health.running_checks(worker) == runs
    assert health.has_run(worker) is counts


def test_nothing_of_a_deleted_row_runs_however_long_it_was_running() -> None:
    assert health.running_checks(row(Status.DELETED, was_running=True)) == ()


@pytest.mark.parametrize(
    ("status", "runs"),
    [
        (Status.CREATING, ()),
        (Status.RUNNING, (0, 2)),
        (Status.IMAGE_PULL_BACK_OFF, ()),
        (Status.DELETED, ()),
    ],
)
def test_a_job_is_checked_while_it_runs_and_is_never_ready(
    status: Status, runs: tuple[int, ...]
) -> None:
    assert health.running_checks(row(status, kind="job")) == runs


@pytest.mark.parametrize("status", Status)
@pytest.mark.parametrize("was_running", [False, True])
def test_what_only_readiness_needs_never_counts_before_the_row_has_run(
    status: Status, was_running: bool
) -> None:
    worker = row(status, was_running=was_running)
    if status in CREATING or not (was_running or status is Status.RUNNING):
        assert not health.has_run(worker)


@pytest.mark.parametrize(
    ("before", "status", "counts", "after"),
    [
        (None, "success", True, CheckState("success", 0, 50.0)),
        (None, "failed", True, CheckState("failed", 1)),
        (None, "timeout", True, CheckState("timeout", 1)),
        (None, "failed", False, CheckState("failed", 0)),
        (CheckState("success", 0, 9.0), "success", True, CheckState("success", 0, 9.0)),
        (CheckState("success", 0, 9.0), "timeout", True, CheckState("timeout", 1)),
        (CheckState("success", 0, 9.0), "failed", False, CheckState("failed", 0)),
        (CheckState("failed", 2), "timeout", True, CheckState("timeout", 3)),
        (CheckState("failed", 2), "timeout", False, CheckState("timeout", 2)),
        (CheckState("failed", 2), "success", True, CheckState("success", 0, 50.0)),
    ],
)
def test_a_result_moves_the_state_on(
    before: CheckState | None, status: str, counts: bool, after: CheckState
) -> None:
    assert health.advance(before, status, 50.0, counts=counts) == after


def test_an_action_is_due_at_the_threshold_and_then_the_counter_starts_over() -> None:
    state = CheckState("failed", 2)
    assert not health.fires(state, 3)
    state = health.advance(state, "timeout", 1.0, counts=True)
    assert health.fires(state, 3)
    assert health.fired(state) == CheckState("timeout", 0)


@given(st.lists(st.sampled_from(OUTCOMES)), st.integers(1, 5))
def test_an_action_fires_after_as_many_failures_in_a_row_as_the_threshold_and_never_else(
    results: list[str], threshold: int
) -> None:
    state, in_a_row = None, 0
    for now, status in enumerate(results):
        state = health.advance(state, status, float(now), counts=True)
        in_a_row = 0 if status == "success" else in_a_row + 1
        assert health.fires(state, threshold) is (in_a_row == threshold)
        if health.fires(state, threshold):
            state, in_a_row = health.fired(state), 0
        assert state.failures == in_a_row


@given(st.lists(st.sampled_from(OUTCOMES), min_size=1))
def test_ready_since_is_the_first_success_of_the_last_unbroken_run(results: list[str]) -> None:
    state = None
    for now, status in enumerate(results):
        state = health.advance(state, status, float(now), counts=False)
    assert state is not None
    greens = 0
    while greens < len(results) and results[-1 - greens] == "success":
        greens += 1
    assert state.ready_since == (float(len(results) - greens) if greens else None)
    assert state.failures == 0


@given(
    st.lists(st.tuples(st.sampled_from(OUTCOMES), st.booleans(), st.booleans())),
    st.integers(1, 4),
)
def test_health_is_what_docker_makes_of_the_same_results(
    results: list[tuple[str, bool, bool]], threshold: int
) -> None:
    """Whatever counts for the row, and whatever has fired."""
    state, expected, streak = None, "starting", 0
    for now, (status, spared, counts) in enumerate(results):
        state = health.advance(state, status, float(now), counts=counts)
        state = health.judged(state, threshold, is_spared=spared)
        if health.fires(state, threshold):
            state = health.fired(state)
        if status == "success":
            expected, streak = "healthy", 0
        elif not (expected == "starting" and spared):
            streak += 1
            expected = "unhealthy" if streak >= threshold else expected
        assert state.health == expected
        assert state.streak == min(streak, threshold)


def test_unhealthy_stays_the_same_state_however_often_it_fails_again() -> None:
    state = CheckState("failed", 0, None, Health.UNHEALTHY, 3)
    again = health.advance(state, "failed", 1.0, counts=False)
    assert health.judged(again, 3, is_spared=False) == state


@pytest.mark.parametrize(
    ("start_period", "seconds", "expected"),
    [
        (None, 0, False),
        ("0s", 0, False),
        ("30s", 0, True),
        ("30s", 29.9, True),
        ("30s", 30, False),
        ("30s", -1, False),
        ("soon", 1, False),
        (f"{10**20}h", 1, True),
    ],
)
def test_a_start_period_spares_what_begins_within_it(
    start_period: str | None, seconds: float, expected: bool
) -> None:
    (check,) = spec(health_checks=[{**GATE, "start_period": start_period}]).health_checks
    assert health.is_spared(check, START, START + timedelta(seconds=seconds)) is expected


def test_the_first_readiness_command_is_the_one_that_is_shown() -> None:
    command = {**ALIVE, "type": "command", "command": "alive"}
    del command["port"]
    wanted = {**command, "readiness": True, "command": "ready"}
    declared = spec(health_checks=[command, GATE, wanted, {**wanted, "command": "other"}])
    assert health.shown_check(declared) is declared.health_checks[2]
    assert health.shown_check(spec(health_checks=[command, GATE])) is None


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("1s", 1.0), ("750ms", 0.75), ("10ms", 0.2), ("0s", 0.2), ("2m", 120.0), ("soon", None)],
)
def test_an_interval_has_a_floor_and_one_that_cannot_be_read_is_none(
    text: str, seconds: float | None
) -> None:
    assert health.interval_s(text) == seconds
