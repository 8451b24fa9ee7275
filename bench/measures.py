"""Figures that are no times in milliseconds: rates, sizes, percentiles, facts."""

from __future__ import annotations

import json
import math
from statistics import median
from typing import TYPE_CHECKING

from bench.figures import interval, ratio

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bench.figures import Pair


def show_ratio(goal: str, pairs: Sequence[Pair], unit: str, **also: object) -> None:
    """Prints ours against the floor, both in this unit."""
    low, high = interval(pairs)
    show_fact(
        goal,
        ratio=round(ratio(pairs), 3),
        lo=round(low, 3),
        hi=round(high, 3),
        **{
            f"floor_{unit}": round(median(pair.floor_ms for pair in pairs), 3),
            f"ours_{unit}": round(median(pair.ours_ms for pair in pairs), 3),
        },
        n=len(pairs),
        **also,
    )


def show_fact(goal: str, **values: object) -> None:
    """Prints what was found, as it is."""
    print(json.dumps({"goal": goal, **values}), flush=True)


def percentile(samples: Sequence[float], percent: float) -> float:
    """The smallest sample that this share of all does not exceed."""
    ordered = sorted(samples)
    return ordered[max(math.ceil(len(ordered) * percent / 100) - 1, 0)]
