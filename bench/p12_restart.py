#!/usr/bin/env python3
"""P12: `kill -9` of the server with 50 deployments running, then a start.

API back: from exec to the first 200 of /healthz, against the same interpreter importing
ring.server. Workloads: container ids and State.StartedAt before the first kill and after the last.
Counters: a deployment in its crash loop keeps status and restart_count through every restart, and
one that was killed in the middle of a 4 s backoff keeps the count and starts neither before the 4 s
nor long after them.
"""

from __future__ import annotations

import itertools
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from bench import fleet, rig, servers
from bench.figures import Pair, show
from bench.measures import show_fact

if TYPE_CHECKING:
    from collections.abc import Iterator

    from scripts.lib.engine_http import Event

DEPLOYMENTS = 50
SAMPLES = 10
SETTLE_S = 12.0
CRASHING = ["sh", "-c", "exit 3"]
BUDGET = 5
DEATHS = 4
BACKOFF_S = 4.0
LATE_S = 4.0
"""More than a start of the server and of a container."""
WITHIN_S = 60.0


def measure(stand: rig.Bench) -> None:
    looping = fleet.apply(stand, fleet.spec(stand, "looping", command=CRASHING))
    with servers.taken_over(stand) as server, fleet.running(stand, server, DEPLOYMENTS) as ids:
        count = await_count(stand, looping, BUDGET)["restart_count"]
        before = fleet.instances(stand, ids)
        backoff = backoff_kept(stand, server)
        pairs = [restarted(server) for _ in range(SAMPLES)]
        fleet.await_running(stand, ids)
        time.sleep(SETTLE_S)
        after = fleet.instances(stand, ids)
        row = stand.ask("GET", f"/deployments/{looping}")
    show("P12", pairs)
    show_fact("P12.workloads", restarted=len(before - after), limit=0, n=len(before))
    show_fact(
        "P12.counters",
        kept=row["status"] == "crash_loop_back_off" and row["restart_count"] == count,
        restart_count=row["restart_count"],
        n=SAMPLES + 1,
    )
    show_fact("P12.backoff", **backoff)


def restarted(server: servers.Server) -> Pair:
    """Killed, the floor taken on the quiet machine, started again."""
    server.end()
    began = time.perf_counter()
    subprocess.run([sys.executable, "-c", "import ring.server"], check=True)
    floor_ms = (time.perf_counter() - began) * 1000
    return Pair(server.start() * 1000, floor_ms)


def backoff_kept(stand: rig.Bench, server: servers.Server) -> dict[str, Any]:
    """Kills the server between the fourth death of a deployment and the start it waits for."""
    with stand.engine.events(label="ring_deployment", timeout_s=WITHIN_S) as events:
        deployment = fleet.apply(stand, fleet.spec(stand, "waiting", command=CRASHING))
        deaths = (event for event in of(events, deployment) if event.action == "die")
        died = next(itertools.islice(deaths, DEATHS - 1, None))
        await_count(stand, deployment, DEATHS)
        server.end()
        server.start()
        count = stand.ask("GET", f"/deployments/{deployment}")["restart_count"]
        started = next(event for event in of(events, deployment) if event.action == "start")
    waited_s = started.at - died.at
    stand.delete(deployment)
    return {
        "kept": count == DEATHS and BACKOFF_S <= waited_s <= BACKOFF_S + LATE_S,
        "restart_count": count,
        "waited_s": round(waited_s, 2),
        "backoff_s": BACKOFF_S,
        "n": 1,
    }


def of(events: Iterator[Event], deployment: str) -> Iterator[Event]:
    return (event for event in events if event.attributes["ring_deployment"] == deployment)


def await_count(stand: rig.Bench, deployment: str, count: int) -> dict[str, Any]:
    """The row, once so many of its failures are counted."""
    deadline = time.monotonic() + WITHIN_S
    while time.monotonic() < deadline:
        row: dict[str, Any] = stand.ask("GET", f"/deployments/{deployment}")
        if row["restart_count"] >= count:
            return row
        time.sleep(0.02)
    raise rig.BenchProblem(f"{row['restart_count']} of {count} failures after {WITHIN_S:.0f} s")


if __name__ == "__main__":
    sys.exit(rig.run(__file__, measure))
