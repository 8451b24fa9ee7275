#!/usr/bin/env python3
"""P6: p99 of reading one deployment and listing 100 while 8 containers roll; event-loop lag p99.

Rolling updates do not exist yet: eight deployments of one replica are replaced at once by applying
them with `force=true`, over and over. One client reads one and lists all in turn, every 10 ms. The
limits are absolute; `floor_p99_ms` is what a bare asyncio responder answers the same client with at
the same moments, so it tells how busy the machine was. The lag is that of a timer on the server's
own loop (`lag.py`), taken in the same time; `busy_p99_ms` is the loop's own processor time between
two of its ticks.
"""

from __future__ import annotations

import json
import signal
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from bench import fleet, lag, reader, rig, servers
from bench.measures import percentile, show_fact
from bench.responder import responder

DEPLOYMENTS = 100
ROLLING = 8
SAMPLES = 1000
LONGEST_S = 90.0
PACE_S = 0.01
FLOOR_BYTES = 1024
LIMITS_MS = {"read": 10.0, "list": 25.0, "lag": 10.0}


@dataclass(slots=True)
class Latencies:
    """Milliseconds of each request."""

    read_one: list[float] = field(default_factory=list)
    list_all: list[float] = field(default_factory=list)
    floor: list[float] = field(default_factory=list)


def measure(stand: rig.Bench) -> None:
    with servers.taken_over(stand) as server:
        samples = server.folder / "lag.json"
        server.end(signal.SIGTERM)
        server.start(lag.command(samples))
        with fleet.running(stand, server, DEPLOYMENTS) as ids:
            began = time.monotonic()
            latencies, rounds = rolled(stand, ids[ROLLING])
            ended = time.monotonic()
            server.end(signal.SIGTERM)
        ticks = [tick for tick in json.loads(samples.read_text()) if began <= tick[0] <= ended]
    floor = round(percentile(latencies.floor, 99), 2)
    show("P6.read", latencies.read_one, LIMITS_MS["read"], floor_p99_ms=floor, rounds=rounds)
    show("P6.list", latencies.list_all, LIMITS_MS["list"], floor_p99_ms=floor, rounds=rounds)
    busy = round(percentile([busy for _, _, busy in ticks], 99), 2)
    lags = [late for _, late, _ in ticks]
    show("P6.lag", lags, LIMITS_MS["lag"], busy_p99_ms=busy, rounds=rounds)


def show(goal: str, samples_ms: list[float], limit_ms: float, **also: object) -> None:
    show_fact(
        goal,
        p99_ms=round(percentile(samples_ms, 99), 2),
        p50_ms=round(median(samples_ms), 2),
        limit_ms=limit_ms,
        n=len(samples_ms),
        **also,
    )


def rolled(stand: rig.Bench, untouched: str) -> tuple[Latencies, int]:
    """Reads until there are samples enough and the last round of replacements is through."""
    latencies = Latencies()
    read_one = reader.request(stand, "GET", f"/deployments/{untouched}")
    list_all = reader.request(stand, "GET", "/deployments")
    deadline = time.monotonic() + LONGEST_S
    rounds = 0
    with (
        reader.connected(stand.port) as ours,
        responder(FLOOR_BYTES) as port,
        reader.connected(port) as floor,
    ):
        while len(latencies.list_all) < SAMPLES and time.monotonic() < deadline:
            wanted = replace_all(stand)
            rounds += 1
            while wanted:
                timed(floor, read_one, latencies.floor)
                timed(ours, read_one, latencies.read_one)
                rows = json.loads(timed(ours, list_all, latencies.list_all))
                wanted -= {row["id"] for row in rows if row["status"] == "running"}
                if time.monotonic() > deadline + rig.READY_WITHIN_S:
                    raise rig.BenchProblem("a replacement does not come up")
                time.sleep(PACE_S)
    return latencies, rounds


def replace_all(stand: rig.Bench) -> set[str]:
    """The ids of the rows that take the place of the eight."""
    bodies = [fleet.spec(stand, f"idle-{number}") for number in range(ROLLING)]
    return {str(stand.ask("POST", "/deployments?force=true", body)["id"]) for body in bodies}


def timed(client: reader.Reader, request: bytes, into: list[float]) -> bytes:
    began = time.perf_counter()
    body = client.ask(request)
    into.append((time.perf_counter() - began) * 1000)
    return body


if __name__ == "__main__":
    sys.exit(rig.run(__file__, measure))
