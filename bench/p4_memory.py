#!/usr/bin/env python3
"""P4: resident memory of the idle server, without and with 50 deployments running.

The floor is dockerd's own process in the same state, without containerd and the shims. Both are
read side by side once a second, after a sweep of the server has passed in that state.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from bench import fleet, rig, servers
from bench.figures import Pair
from bench.measures import show_ratio

DEPLOYMENTS = 50
SETTLE_S = 15.0
SAMPLES = 10


def measure(stand: rig.Bench) -> None:
    with servers.taken_over(stand) as server:
        show_ratio("P4.0", sampled(stand, server), "mib")
        with fleet.running(stand, server, DEPLOYMENTS):
            show_ratio("P4.50", sampled(stand, server), "mib")


def sampled(stand: rig.Bench, server: servers.Server) -> list[Pair]:
    engine = servers.engine_pid(stand)
    time.sleep(SETTLE_S)
    pairs = []
    for _ in range(SAMPLES):
        pairs.append(Pair(servers.resident_mib(server.pid), servers.resident_mib(engine)))
        time.sleep(1)
    return pairs


if __name__ == "__main__":
    sys.exit(rig.run(__file__, measure))
