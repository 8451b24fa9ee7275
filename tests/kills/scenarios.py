"""What is under way when the server is killed, and what must be there in the end."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto

from tests.e2e.story import STEADY, STUBBORN

SLOW = ("sh", "-c", "trap 'sleep 1; exit 0' TERM; while :; do sleep 3600 & wait; done")
"""Ends a second after it was asked to: time enough for a kill while it is being stopped."""


@dataclass(frozen=True, slots=True)
class Apply:
    """One accepted manifest; the mark is what tells its version from another."""

    replicas: int
    mark: str = "old"
    if_changed: bool = False


@dataclass(frozen=True, slots=True)
class Delete:
    """Of the active row, once so many of its containers were made."""

    made: int = 0


@dataclass(frozen=True, slots=True)
class Crash:
    """The program of one instance ends with SIGKILL."""


Step = Apply | Delete | Crash


class Kept(Enum):
    """Which of the instances that were there before may not be touched."""

    ALL = auto()
    OLDEST = auto()
    NONE = auto()


@dataclass(frozen=True, slots=True)
class Scenario:
    name: str
    steps: tuple[Step, ...]
    target: int
    """0: the deployment is gone in the end."""
    creates: int
    """How many containers are ever made, those before the first step among them."""
    ups: int
    """`scale_up` events of the row that is there in the end."""
    calls: int
    """Engine calls from the first step until it is done, the sweeps apart: where a kill may fall.

    The runner counts them once before it kills, and says when this number is no longer true.
    """
    writes: int
    """About so many times the database's log is written to meanwhile."""
    lasts_ms: int
    before: int = 0
    """Replicas that run before the first step."""
    kept: Kept = Kept.NONE
    downs: int = 0
    """`scale_down` events of the row that is there in the end."""
    revisions: frozenset[int] = frozenset({1})
    programs: tuple[tuple[str, ...], ...] = (STEADY,)
    pulled: bool = False
    """The image is in the registry alone."""
    within_s: float = 45.0

    @property
    def mark(self) -> str:
        """Of the version that is there in the end."""
        return self.last.mark

    @property
    def last(self) -> Apply:
        """What was applied last, the preparation included."""
        return [Apply(self.before), *(one for one in self.steps if isinstance(one, Apply))][-1]


SECOND = frozenset({2})

SCENARIOS = {
    one.name: one
    for one in (
        Scenario("apply", (Apply(4),), 4, 4, 4, calls=28, writes=12, lasts_ms=1500),
        Scenario(
            "apply-new", (Apply(3),), 3, 3, 3, calls=24, writes=10, lasts_ms=2000, pulled=True
        ),
        Scenario(
            "replace",
            (Apply(3, "new"),),
            3,
            6,
            3,
            calls=30,
            writes=16,
            lasts_ms=3000,
            before=3,
            revisions=SECOND,
            programs=(STEADY, SLOW),
        ),
        Scenario(
            "scale-up",
            (Apply(5, if_changed=True),),
            5,
            5,
            5,
            calls=18,
            writes=8,
            lasts_ms=1500,
            before=2,
            kept=Kept.ALL,
            revisions=SECOND,
        ),
        Scenario(
            "scale-down",
            (Apply(1, if_changed=True),),
            1,
            4,
            4,
            calls=9,
            writes=5,
            lasts_ms=1500,
            before=4,
            kept=Kept.OLDEST,
            downs=3,
            revisions=SECOND,
            programs=(STEADY, SLOW, SLOW),
        ),
        Scenario(
            "scale-down-stubborn",
            (Apply(1, if_changed=True),),
            1,
            3,
            3,
            calls=6,
            writes=4,
            lasts_ms=11_000,
            before=3,
            kept=Kept.OLDEST,
            downs=2,
            revisions=SECOND,
            programs=(STUBBORN,),
            within_s=60.0,
        ),
        Scenario(
            "delete",
            (Delete(),),
            0,
            3,
            0,
            calls=6,
            writes=6,
            lasts_ms=2500,
            before=3,
            programs=(STEADY, SLOW),
        ),
        Scenario(
            "delete-early", (Apply(4), Delete(made=2)), 0, 4, 0, calls=32, writes=8, lasts_ms=2000
        ),
        Scenario(
            "apply-after-delete",
            (Delete(), Apply(3, "new")),
            3,
            5,
            3,
            calls=25,
            writes=14,
            lasts_ms=3000,
            before=2,
            revisions=frozenset({1, 2}),
            programs=(STEADY, SLOW),
        ),
        Scenario(
            "crash",
            (Crash(),),
            3,
            4,
            4,
            calls=8,
            writes=5,
            lasts_ms=1000,
            before=3,
            kept=Kept.ALL,
        ),
    )
}
