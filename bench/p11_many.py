#!/usr/bin/env python3
"""P11: 200 idle containers: a no-op sweep, a crash to its replacement running, metrics of all.

Sweep: wall time from asking for a listing to the end of the last pass that it wakes, against one
engine list by a raw client. A running server does not tell when a sweep ends, so it is ended in
order and the engine's own objects are opened in this process, on the server's database, its loop
and its containers; a counting planner passed to the constructor tells the last pass. A sweep that
acts is an error. Both sides read and parse the same answer.

Crash: as P3 measures it, first with one deployment on the engine (the floor), then with 200 more.
`P11.raw` is the same quotient for P3's raw client: what it exceeds 1 by is the engine's own share.

Metrics: a look at what all instances take, in the same way in this process and after a first one,
against `GET /containers/{id}/stats?stream=false` of all of them at once.
"""

from __future__ import annotations

import signal
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from bench import fleet, p3_heal, rig, servers
from bench.figures import Pair, show

DEPLOYMENTS = 200
CRASHES = 8


def measure(stand: rig.Bench) -> None:
    deployment, _ = stand.apply("warm-up")
    body = stand.twin(stand.await_running(deployment))
    stand.delete(deployment)
    p3_heal.floor(stand, body)
    alone = crashes(stand, body, first=0)
    with servers.taken_over(stand) as server, fleet.running(stand, server, DEPLOYMENTS):
        among = crashes(stand, body, first=CRASHES)
        server.end(signal.SIGTERM)
        from bench import samples, sweeps  # Ring is installed where the rig runs this again

        pairs = sweeps.paired(stand, server.database)
        taken = samples.paired(stand, server.database, DEPLOYMENTS)
    show("P11.sweep", pairs)
    show("P11.metrics", taken)
    both = list(zip(among, alone, strict=True))
    show("P11.heal", [Pair(many.ours_ms, one.ours_ms) for many, one in both])
    show("P11.raw", [Pair(many.floor_ms, one.floor_ms) for many, one in both])


def crashes(stand: rig.Bench, body: dict[str, Any], *, first: int) -> list[Pair]:
    return [
        Pair(p3_heal.ours(stand, number), p3_heal.floor(stand, body))
        for number in range(first, first + CRASHES)
    ]


if __name__ == "__main__":
    sys.exit(rig.run(__file__, measure))
