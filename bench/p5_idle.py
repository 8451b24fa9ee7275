#!/usr/bin/env python3
"""P5: processor time of the server with 50 deployments running while nothing happens for 60 s.

Percent of one core, over the whole window; `lowest` and `highest` are its parts of 10 s, the time
between two sweeps. There is no floor: the limit is absolute.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import itertools

from bench import fleet, rig, servers
from bench.measures import show_fact

DEPLOYMENTS = 50
SETTLE_S = 15.0
PARTS = 6
PART_S = 10.0
LIMIT_PERCENT = 0.5


def measure(stand: rig.Bench) -> None:
    with servers.taken_over(stand) as server, fleet.running(stand, server, DEPLOYMENTS):
        time.sleep(SETTLE_S)
        marks = [mark(server)]
        for _ in range(PARTS):
            time.sleep(PART_S)
            marks.append(mark(server))
    parts = [percent(*pair) for pair in itertools.pairwise(marks)]
    show_fact(
        "P5",
        percent=round(percent(marks[0], marks[-1]), 3),
        lowest=round(min(parts), 3),
        highest=round(max(parts), 3),
        limit_percent=LIMIT_PERCENT,
        window_s=round(marks[-1][0] - marks[0][0], 1),
        n=PARTS,
    )


def mark(server: servers.Server) -> tuple[float, float]:
    return time.monotonic(), server.cpu_s()


def percent(before: tuple[float, float], after: tuple[float, float]) -> float:
    return (after[1] - before[1]) / (after[0] - before[0]) * 100


if __name__ == "__main__":
    sys.exit(rig.run(__file__, measure))
