#!/usr/bin/env python3
"""P6: the same with 1,000 deployments, 100 namespaces and 10,000 events in the database; and P12.

The deployments have failed for good, so that nothing runs but the server. One client reads one, its
events and the metrics, lists the 10 of a namespace and all 1,000 in turn, every 10 ms. The limits
are those of P6, whose list is one of 100. API back after `kill -9` is P12's, against the same
interpreter importing ring.server.
"""

from __future__ import annotations

import asyncio
import json
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from bench import lag, reader, rig, servers
from bench.figures import Pair, show
from bench.measures import percentile, show_fact
from bench.responder import responder

if TYPE_CHECKING:
    from collections.abc import Sequence

DEPLOYMENTS = 1000
NAMESPACES = 100
EVENTS_EACH = 10
ROUNDS = 300
PACE_S = 0.01
FLOOR_BYTES = 1024
STARTS = 10
LIMITS_MS = {"read": 10.0, "events": 10.0, "list": 25.0, "metrics": 25.0, "all": 25.0}


def measure(stand: rig.Bench) -> None:
    with servers.taken_over(stand) as server:
        server.end(signal.SIGTERM)
        one = fill(server.database)
        samples = server.folder / "lag.json"
        server.start(lag.command(samples))
        paths = {
            "read": f"/deployments/{one}",
            "events": f"/deployments/{one}/events?limit=1000",
            "list": "/deployments?namespace=team-7",
            "metrics": "/metrics",
            "all": "/deployments",
        }
        began = time.monotonic()
        latencies, sizes = taken(stand, paths)
        ended = time.monotonic()
        server.end(signal.SIGTERM)
        ticks = [tick for tick in json.loads(samples.read_text()) if began <= tick[0] <= ended]
        server.start()
        pairs = [restarted(server) for _ in range(STARTS)]
    floor = round(percentile(latencies.pop("floor"), 99), 2)
    for name, found in latencies.items():
        show_fact(
            f"P6.large.{name}",
            p99_ms=round(percentile(found, 99), 2),
            p50_ms=round(median(found), 2),
            limit_ms=LIMITS_MS[name],
            n=len(found),
            bytes=sizes[name],
            floor_p99_ms=floor,
        )
    lags = [late for _, late, _ in ticks]
    show_fact("P6.large.lag", p99_ms=round(percentile(lags, 99), 2), limit_ms=10.0, n=len(lags))
    show("P12.large", pairs)


def fill(database: Path) -> str:
    """Writes the rows behind a stopped server's back. The id of one of them."""
    ids = asyncio.run(_deployed(database))
    with closing(sqlite3.connect(database)) as connection, connection:
        connection.execute("UPDATE deployment SET status = 'failed', halt_reason = 'bench'")
        (at,) = connection.execute("SELECT max(created_at) FROM deployment").fetchone()
        connection.executemany(
            "INSERT INTO deployment_event"
            " (id, deployment_id, timestamp, level, message, component, reason)"
            " VALUES (?, ?, ?, 'info', 'Scaled up from 1 to 2 replicas', 'scheduler', 'scale_up')",
            [(f"{row}-{n}", row, at) for row in ids for n in range(EVENTS_EACH - 1)],
        )
    return ids[-1]


async def _deployed(database: Path) -> Sequence[str]:
    from ring.clock import SystemClock
    from ring.core.model.spec import DeploymentSpec
    from ring.store.store import Author, Store

    store = Store.open(database, SystemClock(), inline=True)
    try:
        author = Author("bench", may_create_namespace=True)
        accepted = [
            await store.accept(
                DeploymentSpec.model_validate(
                    {
                        "name": f"web-{number}",
                        "namespace": f"team-{number % NAMESPACES}",
                        "runtime": "docker",
                        "image": "registry.example/web:1",
                        "environment": {"LOG_FORMAT": "json", "PORT": "8080"},
                        "labels": {"tier": "front"},
                    }
                ),
                author,
            )
            for number in range(DEPLOYMENTS)
        ]
        return [one.deployment.id for one in accepted]
    finally:
        await store.close()


def taken(stand: rig.Bench, paths: dict[str, str]) -> tuple[dict[str, list[float]], dict[str, int]]:
    """Milliseconds of each request, and the size of its answer."""
    requests = {name: reader.request(stand, "GET", path) for name, path in paths.items()}
    latencies: dict[str, list[float]] = {name: [] for name in (*requests, "floor")}
    sizes: dict[str, int] = {}
    with (
        reader.connected(stand.port) as ours,
        responder(FLOOR_BYTES) as port,
        reader.connected(port) as floor,
    ):
        for _ in range(ROUNDS):
            timed(floor, requests["read"], latencies["floor"])
            for name, request in requests.items():
                sizes[name] = len(timed(ours, request, latencies[name]))
                time.sleep(PACE_S)
    return latencies, sizes


def timed(client: reader.Reader, request: bytes, into: list[float]) -> bytes:
    began = time.perf_counter()
    body = client.ask(request)
    into.append((time.perf_counter() - began) * 1000)
    return body


def restarted(server: servers.Server) -> Pair:
    """Killed, the floor taken on the quiet machine, started again."""
    server.end()
    began = time.perf_counter()
    subprocess.run([sys.executable, "-c", "import ring.server"], check=True)
    floor_ms = (time.perf_counter() - began) * 1000
    return Pair(server.start() * 1000, floor_ms)


if __name__ == "__main__":
    sys.exit(rig.run(__file__, measure))
