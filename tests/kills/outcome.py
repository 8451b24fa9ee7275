"""What a run has seen, and how it ended."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.kills.moments import Fell
    from tests.kills.records import Records


@dataclass(slots=True)
class Past:
    """What a run has seen so far: the verdict's evidence."""

    before: Mapping[str, Any] = field(default_factory=dict)
    """What the engine said of each container before the first step."""
    fell: list[Fell] = field(default_factory=list)
    left: list[Records] = field(default_factory=list)
    """The records that each kill left."""
    meddled: str | None = None
    """The container that somebody ended or removed while no server ran."""
    converged_s: float = 0.0
    """From the start of the last server, before it was ready, until everything was there."""
    steps: list[str] = field(default_factory=list)
    """The engine calls from the first step to the kill, or to the end where there was none."""

    @property
    def disturbances(self) -> int:
        """How many instances were lost without the server's doing."""
        return int(self.meddled is not None)


@dataclass(frozen=True, slots=True)
class Outcome:
    seed: int
    title: str
    """Of the scenario."""
    note: str
    """What else the seed decides, to a reader of the table."""
    past: Past
    took_s: float
    account: str | None
    """Of a run that failed: what was wrong, and everything there is to know."""
