"""Paired samples into the one JSON line a figure is printed as."""

from __future__ import annotations

import json
import random
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

RESAMPLES = 2000


@dataclass(frozen=True, slots=True)
class Pair:
    """Ours and the floor, measured one after the other."""

    ours_ms: float
    floor_ms: float


def ratio(pairs: Sequence[Pair]) -> float:
    """Median of ours over median of the floor."""
    return median(p.ours_ms for p in pairs) / median(p.floor_ms for p in pairs)


def interval(pairs: Sequence[Pair]) -> tuple[float, float]:
    """The middle 95 % of the ratio over resampled pairs; the same samples give the same answer."""
    source = random.Random(0)  # noqa: S311 - statistics, no secret
    ratios = sorted(ratio(source.choices(pairs, k=len(pairs))) for _ in range(RESAMPLES))
    return ratios[int(RESAMPLES * 0.025)], ratios[int(RESAMPLES * 0.975)]


def show(goal: str, pairs: Sequence[Pair]) -> None:
    """Prints the figure."""
    low, high = interval(pairs)
    figure = {
        "goal": goal,
        "ratio": round(ratio(pairs), 3),
        "lo": round(low, 3),
        "hi": round(high, 3),
        "floor_ms": round(median(p.floor_ms for p in pairs), 1),
        "ours_ms": round(median(p.ours_ms for p in pairs), 1),
        "n": len(pairs),
    }
    print(json.dumps(figure), flush=True)
