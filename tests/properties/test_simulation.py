"""A world that fails at every turn: nothing is violated, and planted bugs are found."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

import pytest

from tests.properties.sim.__main__ import simulate
from tests.properties.sim.plants import PLANTS

if TYPE_CHECKING:
    from collections.abc import Iterator

STEPS = 3000
PLANT_SEED = 3
PLANT_STEPS = 3000


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    """The engine logs every failure that is made to happen."""
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(before)
    asyncio.set_event_loop(None)


@pytest.mark.parametrize("seed", [11, 12, 13])
def test_nothing_is_violated(seed: int) -> None:
    report = simulate(seed, STEPS)
    assert report.violation is None, "\n".join([*report.trace[-30:], report.violation])
    assert report.steps == STEPS
    assert report.settled
    assert report.kills


@pytest.mark.parametrize("plant", sorted(PLANTS))
def test_a_planted_bug_is_found(plant: str) -> None:
    report = simulate(PLANT_SEED, PLANT_STEPS, plant)
    assert report.violation is not None
    assert report.steps < PLANT_STEPS


def test_a_seed_replays_a_run() -> None:
    first, second = simulate(14, 500), simulate(14, 500)
    assert first == second
