"""The autoscaler's rules: bounds, dead band, steps, rests."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ring.core.model.status import Status
from ring.core.plan.autoscale import decide, is_autoscaled
from tests.core.plan.builders import Scene, spec

if TYPE_CHECKING:
    from ring.core.model.deployment import Deployment

POLICY = {"min": 2, "max": 5, "target_cpu": 50.0}
NEVER = math.inf


def row_of(
    desired: int | None, *, replicas: int = 3, status: Status = Status.RUNNING
) -> Deployment:
    row = Scene().row(status, spec=spec(replicas=replicas, autoscale=POLICY))
    return replace(row, desired_replicas=desired)


@pytest.mark.parametrize(
    ("desired", "cpu", "after"),
    [
        (3, 60.1, 4),
        (3, 400.0, 4),
        (3, 60.0, None),
        (3, 50.0, None),
        (3, 40.0, None),
        (3, 39.9, 2),
        (3, 0.0, 2),
        (5, 99.0, None),
        (2, 1.0, None),
        (None, 99.0, 4),
        (None, 1.0, 2),
        (3, None, None),
        (3, math.nan, None),
        (3, math.inf, None),
        (3, -1.0, None),
    ],
)
def test_a_step_is_one_instance_outside_the_dead_band_and_inside_the_bounds(
    desired: int | None, cpu: float | None, after: int | None
) -> None:
    step = decide(row_of(desired), cpu, NEVER)
    assert (step.after if step else None) == after


@pytest.mark.parametrize(
    ("cpu", "rested_s", "steps"),
    [
        (99.0, 59.9, False),
        (99.0, 60.0, True),
        (1.0, 60.0, False),
        (1.0, 299.9, False),
        (1.0, 300.0, True),
        (99.0, 0.0, False),
    ],
)
def test_a_step_waits_for_the_last_one_to_show(cpu: float, rested_s: float, steps: bool) -> None:
    assert (decide(row_of(3), cpu, rested_s) is not None) is steps


@pytest.mark.parametrize(
    ("desired", "replicas", "before", "after"),
    [(None, 1, 1, 2), (None, 0, 0, 2), (None, 9, 9, 5), (7, 3, 7, 5), (1, 3, 1, 2), (0, 3, 0, 2)],
)
@pytest.mark.parametrize("cpu", [None, 1.0, 99.0, math.nan])
def test_outside_the_bounds_it_goes_straight_to_them(
    desired: int | None, replicas: int, before: int, after: int, cpu: float | None
) -> None:
    step = decide(row_of(desired, replicas=replicas), cpu, 0.0)
    assert step is not None
    assert (step.before, step.after) == (before, after)
    assert step.reason == ("scale_up" if after > before else "scale_down")


def test_a_step_says_why() -> None:
    up = decide(row_of(3), 87.26, NEVER)
    assert up is not None
    assert (up.reason, up.message) == (
        "scale_up",
        "Autoscaled from 3 to 4 instances (average CPU 87.3% against a 50% target)",
    )
    down = decide(row_of(3), 0.5, NEVER)
    assert down is not None
    assert (down.reason, down.message) == (
        "scale_down",
        "Autoscaled from 3 to 2 instances (average CPU 0.5% against a 50% target)",
    )
    jump = decide(row_of(9), math.nan, NEVER)
    assert jump is not None
    assert jump.message == "Autoscaled from 9 to 5 instances"


def test_without_a_policy_there_is_nothing_to_decide() -> None:
    row = replace(Scene().row(), desired_replicas=9)
    assert decide(row, 99.0, NEVER) is None
    assert not is_autoscaled(row, [row])


@pytest.mark.parametrize("status", list(Status))
def test_only_what_runs_is_scaled(status: Status) -> None:
    row = row_of(3, status=status)
    assert is_autoscaled(row, [row]) is (status is Status.RUNNING)


def test_neither_side_of_a_rolling_update_is_scaled() -> None:
    parent = row_of(3)
    child = replace(row_of(3), id=type(parent.id)("child"), parent_id=parent.id)
    for one in (parent, child):
        assert not is_autoscaled(one, [parent, child])
    gone = replace(child, status=Status.DELETED)
    assert is_autoscaled(parent, [parent, gone])


def test_what_is_stopped_is_not_scaled() -> None:
    row = replace(row_of(3), stopped=True)
    assert not is_autoscaled(row, [row])


@given(
    desired=st.none() | st.integers(0, 20),
    replicas=st.integers(0, 20),
    cpu=st.none() | st.floats(),
    rested_s=st.floats(0, 1000),
)
def test_whatever_the_load_the_target_stays_in_its_bounds_and_steps_are_one(
    desired: int | None, replicas: int, cpu: float | None, rested_s: float
) -> None:
    row = row_of(desired, replicas=replicas)
    step = decide(row, cpu, rested_s)
    if step is None:
        assert 2 <= (replicas if desired is None else desired) <= 5
        return
    assert 2 <= step.after <= 5
    assert step.after != step.before
    if 2 <= step.before <= 5:
        assert abs(step.after - step.before) == 1
        assert rested_s >= 60
    assert replace(row, desired_replicas=step.after).target == step.after
