"""Clients that stop reading in the middle of a stream: they wait, and nobody else does."""

from __future__ import annotations

import json
import re
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.e2e.polling import wait_until
from tests.e2e.ring import COMMAND_S

if TYPE_CHECKING:
    from tests.e2e.story import Story

pytestmark = pytest.mark.engine

CHATTY = ("sh", "-c", "while :; do yes 'dull boy' | head -c 100000; usleep 100000; done")
"""A megabyte a second."""
BURST_BYTES = 8_000_000
"""More than all that lies between a container and a client can hold."""
LINES = "yes 'all work and no play makes a dull log'"
UNBROKEN = "yes x | tr -d '\\n'"
LONG_LINES = "yes \"$(head -c 1000000 /dev/zero | tr '\\0' y)\""

MOST_OF_TOKEN = 64
READERS = 8
STILL = 10
"""Looks at a stream."""
ROOM_KB = 64 * 1024
"""What the server may take more than before, whatever its clients do."""


def memory_kb(story: Story) -> int:
    """Of the server, resident."""
    status = Path(f"/proc/{story.ring.pid}/status").read_text()
    found = re.search(r"VmRSS:\s+(\d+) kB", status)
    assert found is not None
    return int(found[1])


@dataclass(frozen=True, slots=True)
class Connection:
    """One end, as the kernel knows it (proc_net_tcp(5))."""

    is_established: bool
    unsent: int
    untaken: int


def connection_of(local: int, remote: int) -> Connection | None:
    """By its ports."""
    for line in Path("/proc/self/net/tcp").read_text().splitlines()[1:]:
        _, near, far, state, queues, *_ = line.split()
        if (near[-4:], far[-4:]) == (f"{local:04X}", f"{remote:04X}"):
            unsent, _, untaken = queues.partition(":")
            return Connection(state == "01", int(unsent, 16), int(untaken, 16))
    return None


class Stream:
    """One stream of a deployment, read as much as a test wants."""

    def __init__(self, story: Story, what: str, name: str = "web") -> None:
        token = json.loads((story.ring.home / "auth.json").read_bytes())["default"]["token"]
        self._link = socket.socket()
        self._link.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8192)
        self._link.settimeout(COMMAND_S)
        self._link.connect(("127.0.0.1", story.ring.port))
        target = f"/deployments/{story.row(name)['id']}/{what}?follow=true"
        head = f"GET {target} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n\r\n"
        self._link.sendall(head.encode())
        self.status = int(self.read(13)[9:12])

    def read(self, size: int) -> bytes:
        return self._link.recv(size, socket.MSG_WAITALL)

    def wait_stuck(self) -> None:
        """Until nothing has moved for some looks: what lies between is full."""
        looks: list[tuple[int, int]] = []

        def is_stuck() -> bool:
            looks.append(self._queued())
            return looks[-1] != (0, 0) and len(looks) > STILL and len(set(looks[-STILL:])) == 1

        wait_until(is_stuck, 20, "the stream is stuck", lambda: looks[-STILL:])

    def _queued(self) -> tuple[int, int]:
        """Bytes that the server has not got rid of, and that were not taken at our end."""
        ours, theirs = self._link.getsockname()[1], self._link.getpeername()[1]
        server, here = connection_of(theirs, ours), connection_of(ours, theirs)
        return server.unsent if server else 0, here.untaken if here else 0

    def is_held(self) -> bool:
        """The server has not ended it."""
        server = connection_of(self._link.getpeername()[1], self._link.getsockname()[1])
        return server is not None and server.is_established

    def rest_is_cut(self) -> bool:
        """The server has ended the connection, after whatever is still under way."""
        last = b""
        try:
            while piece := self._link.recv(1 << 20):
                last = piece
        except ConnectionResetError:
            return True
        return not last.endswith(b"0\r\n\r\n")

    def close(self) -> None:
        self._link.close()


def burst(story: Story, container_id: str, what: str) -> None:
    """Lets the container say so much at once."""
    script = f"{what} | head -c {BURST_BYTES} >/proc/1/fd/1"
    assert story.docker.run(container_id, "sh", "-c", script) == (0, "")


@pytest.mark.parametrize(
    "what", [LINES, UNBROKEN, LONG_LINES], ids=["lines", "no newline", "megabyte lines"]
)
def test_clients_that_stop_reading_cost_nobody_anything(story: Story, what: str) -> None:
    story.applied(story.worker(command=list(CHATTY)), story.worker("quiet"))
    (talks,) = story.wait_whole(1)
    (quiet,) = story.wait_whole(1, "quiet")
    with ExitStack() as stack:
        before = memory_kb(story)
        sockets = open_sockets(story)
        stuck = [stack.enter_context(closing(Stream(story, "logs"))) for _ in range(READERS)]
        assert {stream.status for stream in stuck} == {200}
        burst(story, talks.id, what)
        # healing and answers are not delayed
        story.crash(quiet.id)
        wait_until(lambda: story.told("container_crashed", "quiet"), 20, "the crash is counted")
        story.wait_whole(1, "quiet")
        (_, again) = story.watch.noted("create", "quiet")
        assert again.at - story.watch.noted("die", "quiet")[0].at < 5
        assert sorted(answered_in_s(story) for _ in range(20))[10] < 1
        for stream in stuck:
            stream.wait_stuck()
        assert memory_kb(story) - before < ROOM_KB
        assert open_sockets(story) > sockets + READERS
        # a client that goes takes its readings with it
        for stream in stuck:
            stream.close()
        wait_until(
            lambda: open_sockets(story) < sockets + READERS,
            10,
            "their readings are over",
            lambda: (sockets, open_sockets(story)),
        )


def answered_in_s(story: Story) -> float:
    began = time.monotonic()
    assert story.status() == "running"
    return time.monotonic() - began


def open_sockets(story: Story) -> int:
    """Which the server has open, to clients and to the engine."""
    links = Path(f"/proc/{story.ring.pid}/fd")
    return sum(target.startswith("socket:") for target in map(target_of, links.iterdir()))


def target_of(link: Path) -> str:
    try:
        return f"{link.readlink()}"
    except FileNotFoundError:  # closed while the list was read
        return ""


def test_clients_that_do_not_read_do_not_hold_up_the_end_of_the_server(story: Story) -> None:
    story.applied(story.worker(command=list(CHATTY)))
    (talks,) = story.wait_whole(1)
    with ExitStack() as stack:
        stuck = [stack.enter_context(closing(Stream(story, "logs"))) for _ in range(4)]
        stack.enter_context(closing(Stream(story, "events")))
        burst(story, talks.id, LINES)
        for stream in stuck:
            stream.wait_stuck()
        began = time.monotonic()
        assert story.ring.stop() == 0
        assert time.monotonic() - began < 4
        assert all(stream.rest_is_cut() for stream in stuck)
    assert "cut off" not in story.ring.log.read_text()
    assert [one.id for one in story.docker.running(story.namespace)] == [talks.id]


def test_a_client_that_does_not_read_is_cut_some_time_after_the_deployment_is_gone(
    story: Story,
) -> None:
    story.applied(story.worker(command=list(CHATTY)))
    (talks,) = story.wait_whole(1)
    with closing(Stream(story, "logs")) as stuck:
        burst(story, talks.id, LINES)
        stuck.wait_stuck()
        assert stuck.is_held()
        assert story.ring.run("deployment", "delete", f"{story.namespace}/web").code == 0
        story.wait_gone()
        wait_until(lambda: not stuck.is_held(), 30, "the stream is over")
        assert stuck.rest_is_cut()


def test_more_streams_than_may_be_are_refused(story: Story) -> None:
    story.applied(story.worker())
    story.wait_whole(1)
    with ExitStack() as stack, ThreadPoolExecutor(32) as pool:
        opened = list(pool.map(lambda _: Stream(story, "logs"), range(300)))
        for stream in opened:
            stack.callback(stream.close)
        refused = 300 - MOST_OF_TOKEN
        assert sorted(stream.status for stream in opened) == [200] * MOST_OF_TOKEN + [503] * refused
        story.crash(story.containers()[0].id)
        wait_until(lambda: story.told("container_crashed"), 5, "the crash is counted")
        story.wait_whole(1)

    def one_more() -> bool:
        with closing(Stream(story, "logs")) as stream:
            return stream.status == 200

    wait_until(one_more, 10, "those that ended made room")
