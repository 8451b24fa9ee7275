"""The server killed at random moments: some of the seeds that `scripts/kills` runs all of."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from tests.contract.outside import required
from tests.kills.run import run
from tests.kills.seeds import KEPT, chance
from tests.kills.stage import Ground, ground

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.engine

SEEDS = KEPT[2::9]
"""A step that is prime to the turn of the scenarios: all of them are met."""


@pytest.fixture(scope="module")
def where() -> Iterator[Ground]:
    required("RING_TEST_DOCKER_HOST", "a Docker engine")
    required("RING_TEST_REGISTRY", "a registry")
    with ground(os.environ) as made:
        yield made


@pytest.mark.parametrize("seed", SEEDS)
def test_a_killed_server_is_taken_up_as_if_it_had_not_been(where: Ground, seed: int) -> None:
    outcome = run(where, chance(seed))
    assert outcome.account is None, outcome.account
