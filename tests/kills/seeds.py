"""A seed in, everything that a run decides by chance out; and the seeds that are kept."""

from __future__ import annotations

import random
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

from tests.kills.moments import AfterDelay, AtCall, AtWrite
from tests.kills.scenarios import SCENARIOS, Scenario

if TYPE_CHECKING:
    from tests.kills.moments import Moment

KEPT = tuple(range(1, 201))
"""What `scripts/kills` runs: 10 rounds of the turn below."""

TURN = (
    "apply",
    "replace",
    "scale-up",
    "scale-down",
    "delete",
    "crash",
    "apply-new",
    "delete-early",
    "apply-after-delete",
    "scale-up",
    "scale-down",
    "apply",
    "replace",
    "delete",
    "crash",
    "delete-early",
    "apply-after-delete",
    "apply-new",
    "crash",
    "scale-down-stubborn",
)
"""The scenario of seed n is the n-th of these, over and over; the slow one comes least."""

KINDS = (AtCall, AtCall, AtCall, AfterDelay, AtCall, AtCall, AtWrite)
"""The kinds of a scenario's kills, over and over."""

GOLDEN = 0.6180339887
RECOVERY_CALLS = 10
RECOVERY_WRITES = 5
RECOVERY_MS = 1800
"""A start takes about a third of it, what is taken up the rest."""


class Meddling(Enum):
    """What somebody does while no server runs. The value says it to the reader of a table."""

    NONE = ""
    KILL = "one killed meanwhile"
    REMOVE = "one removed meanwhile"
    STOP = "one stopped meanwhile"
    NETWORK = "unused network removed meanwhile"


@dataclass(frozen=True, slots=True)
class Chance:
    """What a seed decides."""

    seed: int
    scenario: Scenario
    program: tuple[str, ...]
    moments: tuple[Moment, ...]
    """One or two kills; the second counts from the start of the next server."""
    meddling: Meddling
    """Before that start."""
    pick: int
    """Which of several instances; taken modulo their number."""


def chance(seed: int) -> Chance:
    """The same for the same seed, whatever the machine."""
    round_, place = divmod(seed - 1, len(TURN))
    scenario = SCENARIOS[TURN[place]]
    rng = random.Random(seed)
    often = TURN.count(scenario.name)
    nth = round_ * often + TURN[:place].count(scenario.name)
    moments: list[Moment] = [_moment(scenario, nth, rng)]
    if rng.random() < 0.25:
        moments.append(_second(rng))
    return Chance(
        seed=seed,
        scenario=scenario,
        program=rng.choice(scenario.programs),
        moments=tuple(moments),
        meddling=_meddling(scenario, rng),
        pick=rng.randrange(1000),
    )


def _moment(scenario: Scenario, nth: int, rng: random.Random) -> Moment:
    round_, place = divmod(nth, len(KINDS))
    kind = KINDS[place]
    if kind is AfterDelay:
        # At once: the request itself is what gets lost.
        return AfterDelay(rng.choice((0, rng.randint(0, scenario.lasts_ms))))
    if kind is AtWrite:
        return AtWrite(rng.randint(1, scenario.writes))
    # Each falls far from the others, so that few calls are left out.
    share = GOLDEN * (round_ * KINDS.count(AtCall) + KINDS[:place].count(AtCall)) % 1
    return AtCall(1 + int(share * scenario.calls), after=rng.random() < 0.5)


def _second(rng: random.Random) -> Moment:
    return rng.choice(
        (
            AtCall(rng.randint(1, RECOVERY_CALLS), after=rng.random() < 0.5),
            AfterDelay(rng.randint(0, RECOVERY_MS)),
            AtWrite(rng.randint(1, RECOVERY_WRITES)),
        )
    )


def _meddling(scenario: Scenario, rng: random.Random) -> Meddling:
    if rng.random() >= 0.3:
        return Meddling.NONE
    if scenario.before == 0 and rng.random() < 0.3:
        return Meddling.NETWORK
    return rng.choice((Meddling.KILL, Meddling.REMOVE, Meddling.STOP))
