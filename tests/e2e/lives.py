"""When containers came and were asked to go, by the engine's own events: nobody's word but its."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Sequence

    from tests.e2e.outside import Happening

ENDS = ("kill", "die", "destroy")


@dataclass(frozen=True, slots=True)
class Life:
    """Of one container."""

    id: str
    deployment_id: str
    started_at: float
    """Seconds of the epoch, by the engine's clock, as all times here."""
    ended_at: float = math.inf
    """The first word of its end: a signal, its death."""

    def is_up(self, at: float) -> bool:
        return self.started_at <= at < self.ended_at


def lives(happenings: Iterable[Happening], name: str = "web") -> list[Life]:
    """Of those that were ever started; oldest first."""
    started: dict[str, Happening] = {}
    ended: dict[str, float] = {}
    for one in happenings:
        if one.name == name and one.kind == "start":
            started[one.id] = one
        elif one.name == name and one.kind in ENDS:
            ended.setdefault(one.id, one.at)
    return [
        Life(one.id, one.deployment_id, one.at, ended.get(one.id, math.inf))
        for one in started.values()
    ]


def ended_early(
    all_lives: Sequence[Life],
    old: str,
    new: Collection[str],
    *,
    least: int,
    window_s: float,
    late_s: Callable[[str], float] = lambda _: 0.0,
) -> list[str]:
    """The instances of the old row that were asked to go while too few others could serve.

    One of a new row can serve when it has been up for the window in which it proves itself: before
    that no check can have been green for so long. `late_s` is how long after its start an instance
    begins to serve, by its id.
    """
    found = []
    for life in all_lives:
        if life.deployment_id != old or life.ended_at == math.inf:
            continue
        at = life.ended_at
        others = [one for one in all_lives if one is not life and one.is_up(at)]
        of_old = sum(one.deployment_id == old for one in others)
        ready = sum(
            one.deployment_id in new and one.started_at + late_s(one.id) + window_s <= at
            for one in others
        )
        if of_old + ready < least:
            found.append(
                f"{life.id[:12]} was asked to go at {at:.3f}, when {of_old} old ones "
                f"and {ready} new ones could serve, not {least}"
            )
    return found


def most_at_once(all_lives: Sequence[Life], deployment_id: str) -> int:
    """How many instances of the row were up at the same time, at most."""
    own = [life for life in all_lives if life.deployment_id == deployment_id]
    return max((sum(other.is_up(one.started_at) for other in own) for one in own), default=0)
