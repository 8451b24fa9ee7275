"""A world that fails at every turn: nothing is violated, and planted bugs are found."""

from __future__ import annotations

import asyncio
import functools
import logging
from typing import TYPE_CHECKING

import pytest

from tests.properties.sim.__main__ import simulate
from tests.properties.sim.plants import PLANTS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.properties.sim.driver import Report

SEEDS = (11, 12, 13)
STEPS = 3000
PLANT_SEEDS = range(3, 13)
PLANT_STEPS = 3000
HAPPENED = {
    "scheduler rolling_update_step",
    "scheduler rolling_update_complete",
    "scheduler rolling_update_failed",
    "scheduler readiness_deadline_exceeded",
    "health_checker health_check_instance_restart",
    "health_checker health_check_alert",
    "docker job_completed",
    "docker job_failed",
    "autoscaler scale_up",
}
"""Component and reason of events: without them a run without a violation tells nothing."""


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    """The engine logs every failure that is made to happen."""
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(before)
    asyncio.set_event_loop(None)


@functools.cache
def _run_of(seed: int) -> Report:
    return simulate(seed, STEPS)


@pytest.mark.parametrize("seed", SEEDS)
def test_nothing_is_violated(seed: int) -> None:
    report = _run_of(seed)
    assert report.violation is None, "\n".join([*report.trace[-30:], report.violation])
    assert report.steps == STEPS
    assert report.settled
    assert report.kills


@pytest.mark.parametrize("plant", sorted(PLANTS))
def test_a_planted_bug_is_found(plant: str) -> None:
    """By one of the first seeds: how soon depends on what the engine makes of its chances."""
    reports = (simulate(seed, PLANT_STEPS, plant) for seed in PLANT_SEEDS)
    found = next((report for report in reports if report.violation is not None), None)
    assert found is not None
    assert found.steps < PLANT_STEPS


def test_rollouts_checks_and_jobs_come_to_their_ends_in_it() -> None:
    reasons = {reason for seed in SEEDS for reason in _run_of(seed).reasons}
    assert reasons >= HAPPENED


def test_a_seed_replays_a_run() -> None:
    first, second = simulate(14, 500), simulate(14, 500)
    assert first == second
