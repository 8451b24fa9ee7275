"""The server killed at random moments: some of the seeds that `scripts/kills` runs all of."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from tests.contract.outside import required
from tests.kills.__main__ import run_seed
from tests.kills.place import Ground, ground
from tests.kills.rolling import seeds as rolling
from tests.kills.seeds import KEPT

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.engine

SEEDS = (*KEPT[3::19], *rolling.KEPT[::67])
"""Every scenario and every way to be broken is among them."""


@pytest.fixture(scope="module")
def where() -> Iterator[Ground]:
    required("RING_TEST_DOCKER_HOST", "a Docker engine")
    required("RING_TEST_REGISTRY", "a registry")
    with ground(os.environ) as made:
        yield made


@pytest.mark.parametrize("seed", SEEDS)
def test_a_killed_server_is_taken_up_as_if_it_had_not_been(where: Ground, seed: int) -> None:
    outcome = run_seed(where, seed)
    assert outcome.account is None, outcome.account
