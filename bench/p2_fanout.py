#!/usr/bin/env python3
"""P2: apply to 24 replicas running, against the best rate of a raw client 2, 4 and 8 wide.

Ours is clocked from the first byte of POST /deployments, the raw client's from its first create;
both end at the engine's last State.StartedAt. The headline takes the best width of each round, so
that luck counts for the floor; `P2.one_width` the width with the best median of the run.
"""

from __future__ import annotations

import sys
import time
from itertools import islice
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from bench import fleet, rig
from bench.figures import Pair
from bench.measures import show_ratio

if TYPE_CHECKING:
    from collections.abc import Sequence

REPLICAS = 24
WIDTHS = (2, 4, 8)
ROUNDS = 5
WITHIN_S = 60.0


def measure(stand: rig.Bench) -> None:
    """Warms both sides up once; in each round ours comes at another place."""
    deployment, _ = stand.apply("warm-up")
    body = stand.twin(stand.await_running(deployment))
    stand.delete(deployment)
    stand.remove(stand.create_and_start(body))
    ours_of: list[float] = []
    floors: list[dict[int, float]] = []
    for number in range(ROUNDS):
        rates: dict[int, float] = {}
        for place, width in enumerate(WIDTHS):
            if place == number % len(WIDTHS):
                ours_of.append(ours(stand, number))
            rates[width] = floor(stand, body, width)
        floors.append(rates)
    best = [Pair(own, max(rates.values())) for own, rates in zip(ours_of, floors, strict=True)]
    width = max(WIDTHS, key=lambda width: median(rates[width] for rates in floors))
    steady = [Pair(own, rates[width]) for own, rates in zip(ours_of, floors, strict=True)]
    show_ratio("P2", best, "per_s")
    show_ratio("P2.one_width", steady, "per_s", width=width)


def ours(stand: rig.Bench, number: int) -> float:
    """Replicas running a second."""
    with stand.engine.events(label="ring_deployment", timeout_s=WITHIN_S) as events:
        stand.ask("GET", "/healthz")
        sent_at = time.time()
        deployment = fleet.apply(stand, fleet.spec(stand, f"fan-{number}", replicas=REPLICAS))
        starts = (
            event.container
            for event in events
            if event.action == "start" and event.attributes["ring_deployment"] == deployment
        )
        started = list(islice(starts, REPLICAS))
    rate = rate_of(stand, sent_at, started)
    fleet.await_running(stand, [deployment])
    stand.delete(deployment)
    return rate


def floor(stand: rig.Bench, body: dict[str, Any], width: int) -> float:
    """Containers running a second."""
    sent_at, started = fleet.create_wide(stand, body, count=REPLICAS, width=width)
    rate = rate_of(stand, sent_at, started)
    fleet.remove_wide(stand, started)
    return rate


def rate_of(stand: rig.Bench, sent_at: float, started: Sequence[str]) -> float:
    return len(started) / (max(map(stand.started_at, started)) - sent_at)


if __name__ == "__main__":
    sys.exit(rig.run(__file__, measure))
