"""A seed in, everything that a run decides by chance out; and the seeds that are kept."""

from __future__ import annotations

import random
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

from tests.e2e.story import STEADY
from tests.kills.moments import AfterDelay, AtCall, AtWrite

if TYPE_CHECKING:
    from tests.kills.moments import Moment

FIRST = 1001
KEPT = tuple(range(FIRST, FIRST + 200))
"""What `scripts/kills` runs beside the others."""

CALLS = 55
"""About so many engine calls, sweeps apart, until all three are where they will stay."""
WRITES = 90
LASTS_MS = 7000
RECOVERY_CALLS = 20
RECOVERY_WRITES = 30
RECOVERY_MS = 3000

SITE = (
    "trap '{end}exit 0' TERM; sleep $((0x$(hostname | cut -c1) % 3)); httpd -p 80 -h /bin; "
    "while :; do sleep 3600 & wait; done"
)
"""Listens after 0 to 2 seconds, as its id has it: instances do not become ready together."""
QUICK = ("sh", "-c", SITE.format(end=""))
SLOW = ("sh", "-c", SITE.format(end="sleep 1; "))
"""Ends a second after it was asked to."""


def listens_after_s(instance_id: str) -> int:
    """Whose host name is the beginning of its id."""
    return int(instance_id[0], 16) % 3


class Fault(Enum):
    """What is wrong with the new version of the broken one. The value says it in a table."""

    NEVER_READY = "never ready"
    EXITS = "exits"
    NO_PROGRAM = "no program"


PROGRAMS = {
    Fault.NEVER_READY: STEADY,
    Fault.EXITS: ("sh", "-c", "sleep 0.2; exit 1"),
    Fault.NO_PROGRAM: ("sh", "-c", "exit 127"),
}


@dataclass(frozen=True, slots=True)
class Chance:
    """What a seed decides."""

    seed: int
    fault: Fault
    program: tuple[str, ...]
    """Of the versions that work."""
    window_ms: int
    """How long one of them must be green."""
    overtaken_at: int
    """How many containers of the version in between were made before the last one is applied."""
    moments: tuple[Moment, ...]
    """The first counts from the first apply, each other one from the start of the next server."""


def chance(seed: int) -> Chance:
    """The same for the same seed, whatever the machine."""
    rng = random.Random(seed)
    nth = seed - FIRST
    return Chance(
        seed=seed,
        fault=[*Fault][nth % len(Fault)],
        program=rng.choice((QUICK, SLOW)),
        window_ms=rng.choice((0, 300, 1000)),
        overtaken_at=rng.randint(0, 2),
        moments=tuple(_moment(rng, is_first=number == 0) for number in range(rng.randint(1, 3))),
    )


def _moment(rng: random.Random, *, is_first: bool) -> Moment:
    calls, writes, ms = (
        (CALLS, WRITES, LASTS_MS) if is_first else (RECOVERY_CALLS, RECOVERY_WRITES, RECOVERY_MS)
    )
    return rng.choice(
        (
            AtCall(rng.randint(1, calls), after=rng.random() < 0.5),
            AtCall(rng.randint(1, calls), after=rng.random() < 0.5),
            AfterDelay(rng.randint(0, ms)),
            AfterDelay(rng.randint(0, ms)),
            AtWrite(rng.randint(1, writes)),
        )
    )
