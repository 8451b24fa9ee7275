#!/usr/bin/env python3
"""P13: logs of 10 replicas, which write 100,000 numbered lines a second, followed by one client.

Clocked are the lines that a client is given in some seconds, against a raw client that follows the
same containers over the engine's API at the same load, one connection each. `lag_ms` is how old the
last line is when it comes, `whole` whether every replica's numbers come one after the other.

`P13.backlog` is the same for lines that are there already: how many come in a second when nothing
has to be waited for. `P13.unread` is what the server takes more of memory while a client at that
load asks and does not read.
"""

from __future__ import annotations

import contextlib
import re
import selectors
import socket
import sys
import time
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from bench import fleet, reader, rig, servers
from bench.figures import Pair
from bench.measures import show_fact, show_ratio

if TYPE_CHECKING:
    from collections.abc import Sequence

REPLICAS = 10
ROUNDS = 3
WINDOW_S = 5.0
WITHIN_S = 120.0
UNREAD_S = 10.0
BACKLOG = 50_000
"""Lines of each replica."""
LINE = r"%09d the quick brown fox jumps over the lazy dog and is tired of it\n"
PACED = (
    "BEGIN { for (;;) { for (i = 0; i < 1000; i++) "
    f'printf "{LINE}", n++; fflush(); system("usleep 95000") }} }}'
)
"""1,000 lines at once, ten times a second."""
BURST = f'BEGIN {{ while (n < {BACKLOG}) printf "{LINE}", n++; fflush(); system("sleep 999999") }}'

_OURS = re.compile(rb'"instance":"([^"]+)","message":"(\d{9}) [^\n]*?"timestamp":"([^"]+)Z"')
_RAW = re.compile(rb"(\d{4}-\S+)Z (\d{9}) ")


class Tally:
    """What one client was given."""

    def __init__(self) -> None:
        self.lines = 0
        self.lag_ms = 0.0
        self.is_whole = True
        self._next: dict[object, int] = {}

    def take(self, writer: object, numbers: Sequence[bytes]) -> None:
        if not numbers:
            return
        first = int(numbers[0])
        expected = range(first, first + len(numbers))
        follows = self._next.get(writer, first) == first
        self.is_whole = self.is_whole and follows and [*map(int, numbers)] == [*expected]
        self._next[writer] = first + len(numbers)
        self.lines += len(numbers)


def measure(stand: rig.Bench) -> None:
    written = deployed(stand, "written", BURST)
    await_written(stand, written)
    there = [Pair(*(rate_of_all(side, stand, written) for side in BOTH)) for _ in range(ROUNDS)]
    stand.delete(written)
    writing = deployed(stand, "writing", PACED)
    tallies = [[of_window(side, stand, writing) for side in BOTH] for _ in range(ROUNDS)]
    live = [Pair(*(tally.lines / WINDOW_S for tally in both)) for both in tallies]
    lag = max(tally.lag_ms for tally, _ in tallies)
    show_ratio("P13", live, "per_s", lag_ms=round(lag), whole=all(t.is_whole for t, _ in tallies))
    show_ratio("P13.backlog", there, "per_s")
    show_fact("P13.unread", grown_mib=round(grown_mib(stand, writing), 1))
    stand.delete(writing)


def deployed(stand: rig.Bench, name: str, program: str) -> str:
    """Running replicas of an awk program."""
    body = fleet.spec(stand, name, replicas=REPLICAS, command=["awk", program])
    deployment = fleet.apply(stand, body)
    fleet.await_running(stand, [deployment])
    return deployment


def await_written(stand: rig.Bench, deployment: str) -> None:
    deadline = time.monotonic() + WITHIN_S
    last = f"{BACKLOG - 1:09d} "
    while time.monotonic() < deadline:
        ends = stand.ask("GET", f"/deployments/{deployment}/logs?tail=1")
        if sum(end["message"].startswith(last) for end in ends) == REPLICAS:
            return
        time.sleep(0.5)
    raise rig.BenchProblem("the replicas do not get to the end of their lines")


def rate_of_all(side: type[Client], stand: rig.Bench, deployment: str) -> float:
    """Lines a second, from asking to the last one."""
    began = time.monotonic()
    with contextlib.closing(side(stand, deployment, tail=BACKLOG)) as client:
        while client.tally.lines < REPLICAS * BACKLOG:
            client.read(WITHIN_S)
        rate = client.tally.lines / (time.monotonic() - began)
    if not client.tally.is_whole:
        raise rig.BenchProblem("lines are missing, or not in their order")
    return rate


def of_window(side: type[Client], stand: rig.Bench, deployment: str) -> Tally:
    """What comes in a window that begins with the first line."""
    with contextlib.closing(side(stand, deployment, tail=0)) as client:
        while not client.tally.lines:
            client.read(WITHIN_S)
        client.tally.lines = 0
        until = time.monotonic() + WINDOW_S
        while (left := until - time.monotonic()) > 0:
            client.read(left)
        return client.tally


def grown_mib(stand: rig.Bench, deployment: str) -> float:
    """Of the server, while somebody does not read."""
    with servers.taken_over(stand) as server:
        before = servers.resident_mib(server.pid)
        with contextlib.closing(Ours(stand, deployment, tail=BACKLOG)):
            most = before
            until = time.monotonic() + UNREAD_S
            while time.monotonic() < until:
                most = max(most, servers.resident_mib(server.pid))
                time.sleep(0.1)
    return most - before


class Client:
    """Follows every replica of a deployment."""

    def __init__(self, stand: rig.Bench, deployment: str, *, tail: int) -> None:
        self.tally = Tally()
        self._selector = selectors.DefaultSelector()
        self._rests: dict[int, bytes] = defaultdict(bytes)
        self.begin(stand, deployment, tail)

    def begin(self, stand: rig.Bench, deployment: str, tail: int) -> None:
        raise NotImplementedError

    def follow(self, link: socket.socket, request: bytes) -> None:
        link.sendall(request)
        self._selector.register(link, selectors.EVENT_READ)

    def read(self, within_s: float) -> None:
        """What has come by now on any connection. Raises BenchProblem where one has ended."""
        for key, _ in self._selector.select(within_s):
            assert isinstance(key.fileobj, socket.socket)
            some = key.fileobj.recv(reader.CHUNK)
            if not some:
                raise rig.BenchProblem("a stream has ended")
            whole, _, rest = (self._rests[key.fd] + some).rpartition(b"\n")
            self._rests[key.fd] = rest
            self.count(key.fd, whole)

    def count(self, link: int, text: bytes) -> None:
        raise NotImplementedError

    def close(self) -> None:
        for key in [*self._selector.get_map().values()]:
            assert isinstance(key.fileobj, socket.socket)
            key.fileobj.close()
        self._selector.close()


class Ours(Client):
    """One stream of the server."""

    def begin(self, stand: rig.Bench, deployment: str, tail: int) -> None:
        path = f"/deployments/{deployment}/logs?follow=true&tail={tail}"
        link = socket.create_connection(("127.0.0.1", stand.port), rig.READY_WITHIN_S)
        self.follow(link, reader.request(stand, "GET", path))

    def count(self, link: int, text: bytes) -> None:
        numbers: dict[bytes, list[bytes]] = defaultdict(list)
        at = b""
        for name, number, at in _OURS.findall(text):  # noqa: B007 - the last one counts
            numbers[name].append(number)
        if numbers:
            self.tally.lag_ms = (time.time() - rig.parse_time(f"{at.decode()}Z")) * 1000
        for name, each in numbers.items():
            self.tally.take(name, each)


class Raw(Client):
    """One connection to the engine for each container."""

    def begin(self, stand: rig.Bench, deployment: str, tail: int) -> None:
        asked = f"follow=1&stdout=1&stderr=1&timestamps=1&tail={tail}"
        for one in stand.engine.containers(f"ring_deployment={deployment}"):
            link = socket.socket(socket.AF_UNIX)
            link.connect(stand.engine.host.removeprefix("unix://"))
            # In the older version lines are not each a chunk of their own.
            head = f"GET /containers/{one['Id']}/logs?{asked} HTTP/1.0\r\nHost: engine\r\n\r\n"
            self.follow(link, head.encode())

    def count(self, link: int, text: bytes) -> None:
        found = _RAW.findall(text)
        self.tally.take(link, [number for _, number in found])


BOTH = (Ours, Raw)

if __name__ == "__main__":
    sys.exit(rig.run(__file__, measure))
