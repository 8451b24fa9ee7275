#!/usr/bin/env python3
"""P7: authenticated reads a second against a bare asyncio responder; a durable write's median.

Reads: GET /deployments/{id} over one kept connection, one request at a time; the responder gives a
body of the same length to the same client. Writes: POST /namespaces, one transaction, against one
INSERT committed by SQLite (WAL, synchronous FULL) in the same directory.
"""

from __future__ import annotations

import contextlib
import sqlite3
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from bench import reader, rig, servers
from bench.figures import Pair
from bench.measures import show_ratio
from bench.responder import responder

ROUNDS = 12
WINDOW_S = 1.0
WRITES = 300


def measure(stand: rig.Bench) -> None:
    deployment, _ = stand.apply("read")
    stand.await_running(deployment)
    reads(stand, reader.request(stand, "GET", f"/deployments/{deployment}"))
    with servers.taken_over(stand) as server:
        writes(stand, server.folder)
    stand.delete(deployment)


def reads(stand: rig.Bench, request: bytes) -> None:
    """The first round of each warms up; the first place changes each time."""
    with (
        reader.connected(stand.port) as ours,
        responder(len(ours.ask(request))) as port,
        reader.connected(port) as floor,
    ):
        pairs = []
        for number in range(ROUNDS + 1):
            if number % 2:
                floor_rate = rate(floor, request)
                pairs.append(Pair(rate(ours, request), floor_rate))
            else:
                pairs.append(Pair(rate(ours, request), rate(floor, request)))
    show_ratio("P7.reads", pairs[1:], "per_s")


def rate(client: reader.Reader, request: bytes) -> float:
    began = time.perf_counter()
    count = 0
    while time.perf_counter() - began < WINDOW_S:
        client.ask(request)
        count += 1
    return count / (time.perf_counter() - began)


def writes(stand: rig.Bench, folder: Path) -> None:
    pairs = []
    with (
        reader.connected(stand.port) as client,
        contextlib.closing(database(folder)) as connection,
    ):
        for number in range(WRITES):
            request = reader.request(stand, "POST", "/namespaces", {"name": f"written-{number}"})
            began = time.perf_counter()
            client.ask(request)
            written = time.perf_counter()
            connection.execute("INSERT INTO written VALUES (?, ?)", (str(number), time.time()))
            committed = time.perf_counter()
            pairs.append(Pair((written - began) * 1000, (committed - written) * 1000))
    show_ratio("P7.write", pairs, "ms")


def database(folder: Path) -> sqlite3.Connection:
    """Commits after each statement."""
    connection = sqlite3.connect(folder / "floor.db", isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("CREATE TABLE written (name TEXT PRIMARY KEY, at REAL)")
    return connection


if __name__ == "__main__":
    sys.exit(rig.run(__file__, measure))
