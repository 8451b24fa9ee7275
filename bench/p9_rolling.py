#!/usr/bin/env python3
"""P9: rolling updates of three replicas while 200 new connections a second come in.

They come through nginx, a deployment of the same namespace with the directives that
docs/how-to/rolling-updates.md shows: it looks the name up at the engine's resolver and goes on to
the next replica where one refuses. Each must be answered whole; `failed` of `sent` says how many
were not. Clocked is the first byte of POST /deployments to the death of the last old replica.

The floor is a raw client under the same stream: it creates and starts three side by side, probes
each at the check's interval until all have been green for the window, waits the second in which
both versions must be seen together, then stops the old ones, a second apart, and removes them.
"""

from __future__ import annotations

import contextlib
import json
import socket
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from scripts.lib import edge
from scripts.lib.stream import Stream

from bench import fleet, rig
from bench.figures import Pair
from bench.measures import show_ratio

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

REPLICAS = 3
ROUNDS = 4
RATE = 200
SENT = 10_000
LEAD_S = 1.0
WITHIN_S = 60.0
INTERVAL_S = 0.5
WINDOW_S = 2.0
STEP_S = 1.0
PORT = 8080
SETTINGS = "/nginx.conf"


def measure(stand: rig.Bench) -> None:
    """The proxy and both sides come up once; in each round ours comes at another place."""
    open_proxy(stand)
    deployment = fleet.apply(stand, site(stand, 0))
    fleet.await_running(stand, [deployment])
    body = twin(stand, deployment)
    await_answer("/web/")
    pairs, streams = [], []
    for number in range(1, ROUNDS + 1):
        ours_ms = None
        if number % 2:
            deployment, ours_ms, told = ours(stand, deployment, number)
            streams.append(told)
        floor_ms = floor(stand, body)
        if ours_ms is None:
            deployment, ours_ms, told = ours(stand, deployment, number)
            streams.append(told)
        pairs.append(Pair(ours_ms, floor_ms))
    sent, failed = (sum(told[key] for told in streams) for key in ("sent", "failed"))
    for told in streams:
        for failure in told["failures"]:
            print(failure, file=sys.stderr)
    longest = max(told["longest_s"] for told in streams)
    show_ratio("P9", pairs, "ms", failed=failed, sent=sent, longest_s=longest)


def site(stand: rig.Bench, version: int) -> dict[str, Any]:
    check = {
        "type": "tcp",
        "port": 80,
        "interval": f"{INTERVAL_S * 1000:.0f}ms",
        "timeout": "2s",
        "on_failure": "alert",
        "readiness": True,
        "min_healthy_time": f"{WINDOW_S:.0f}s",
    }
    return {
        **fleet.spec(stand, "web", replicas=REPLICAS, command=edge.SITE),
        "environment": {"VERSION": f"{version}"},
        "health_checks": [check],
    }


def open_proxy(stand: rig.Bench) -> None:
    content = json.dumps({"conf": edge.settings()})
    stand.ask("POST", "/configs", {"namespace": rig.NAMESPACE, "name": "edge", "data": content})
    settings = {"type": "config", "source": "edge", "key": "conf", "destination": SETTINGS}
    binds = [
        {"type": "bind", "source": source, "destination": destination, "permission": "ro"}
        for source, destination in edge.binds()
    ]
    body = {
        **fleet.spec(stand, "edge", command=edge.command(SETTINGS)),
        "volumes": [settings, *binds],
        "ports": [{"published": PORT, "target": 80}],
    }
    fleet.await_running(stand, [fleet.apply(stand, body)])
    await_answer("/edge")


def await_answer(path: str) -> None:
    deadline = time.monotonic() + WITHIN_S
    while (told := Stream(PORT, [path], RATE, count=1).result())["failed"]:
        if time.monotonic() > deadline:
            raise rig.BenchProblem(f"{path} is not answered: {told['failures']}")


@contextlib.contextmanager
def stream(path: str) -> Iterator[Stream]:
    running = Stream(PORT, [path], RATE)
    try:
        running.await_first()
        time.sleep(LEAD_S)
        yield running
    finally:
        running.kill()


# ours
def ours(stand: rig.Bench, before: str, version: int) -> tuple[str, float, dict[str, Any]]:
    """The new row, the milliseconds, and what became of this round's share of the connections."""
    old = {one.id for one in fleet.instances(stand, [before])}
    began = time.monotonic()
    with (
        stream("/web/") as running,
        stand.engine.events(label=f"ring_deployment={before}", timeout_s=WITHIN_S) as events,
    ):
        stand.ask("GET", "/healthz")
        sent_at = time.time()
        row = stand.ask("POST", "/deployments", site(stand, version))
        if row["parent_id"] != before:
            raise rig.BenchProblem("it does not roll")
        ends = (event.at for event in events if event.action == "die" and event.container in old)
        *_, last = islice(ends, REPLICAS)
        await_complete(stand, row["id"])
        time.sleep(max(SENT / ROUNDS / RATE + LEAD_S - (time.monotonic() - began), LEAD_S))
        told = running.end()
    return str(row["id"]), (last - sent_at) * 1000, told


def await_complete(stand: rig.Bench, deployment: str) -> None:
    deadline = time.monotonic() + WITHIN_S
    while "parent_id" in stand.ask("GET", f"/deployments/{deployment}"):
        if time.monotonic() > deadline:
            raise rig.BenchProblem("the rolling update does not end")
        time.sleep(fleet.POLL_S)


# the floor
def twin(stand: rig.Bench, deployment: str) -> dict[str, Any]:
    """What Ring makes, under a name of its own."""
    (one, *_) = fleet.instances(stand, [deployment])
    return stand.twin(one.id)


def floor(stand: rig.Bench, body: dict[str, Any]) -> float:
    _, old = fleet.create_wide(stand, body, count=REPLICAS, width=REPLICAS)
    new: list[str] = []
    try:
        await_answer("/twin/")
        with stream("/twin/") as running:
            began = time.time()
            _, new = fleet.create_wide(stand, body, count=REPLICAS, width=REPLICAS)
            await_green(stand, new)
            last = replace(stand, old)
            told = running.end()
        if told["failed"]:
            raise rig.BenchProblem(f"the floor lost connections: {told['failures']}")
    finally:
        fleet.remove_wide(stand, [*old, *new])
    return (last - began) * 1000


def await_green(stand: rig.Bench, containers: Sequence[str]) -> None:
    """Until all of them have answered for the window, by probes at the interval."""
    addresses = [
        stand.engine.inspect(one)["NetworkSettings"]["Networks"][rig.NETWORK]["IPAddress"]
        for one in containers
    ]
    with ThreadPoolExecutor(REPLICAS) as pool:
        green_at = max(pool.map(first_green, addresses))
    time.sleep(max(green_at + WINDOW_S - time.monotonic(), 0))


def first_green(address: str) -> float:
    began = time.monotonic()
    for number in range(int(WITHIN_S / INTERVAL_S)):
        time.sleep(max(began + number * INTERVAL_S - time.monotonic(), 0))
        with contextlib.suppress(OSError), socket.create_connection((address, 80), 2):
            return time.monotonic()
    raise rig.BenchProblem("a raw container does not answer")


def replace(stand: rig.Bench, old: list[str]) -> float:
    """Stops and removes them a second apart, none is left; when the last one was dead."""
    ended = time.time()
    next_at = time.monotonic() + STEP_S  # both versions are seen together
    while old:
        time.sleep(max(next_at - time.monotonic(), 0))
        next_at = time.monotonic() + STEP_S
        stand.engine.ask("POST", f"/containers/{old[0]}/stop?t=10")
        ended = time.time()
        stand.remove(old.pop(0))
    return ended


if __name__ == "__main__":
    sys.exit(rig.run(__file__, measure))
