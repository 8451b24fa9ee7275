"""Which processes of this machine are ended, and which are not."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import uuid
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ring.runtimes import marked
from ring.runtimes.marked import end_marked, end_ownerless, owner

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

MARK = b"RING_EXEC=f00d"
SHEDDING = "env -i setsid sh -c 'echo {name} $$; exec sleep 1000'"
FORKS = (
    "sh",
    "-c",
    f"echo; {SHEDDING.format(name='child')} & ({SHEDDING.format(name='orphan')} &); "
    "echo ready; read x",
)
WAITS = (sys.executable, "-c", "print(flush=True); input()")
NOWHERE = "f" * 64


class Programs:
    def __init__(self) -> None:
        self.running: list[subprocess.Popen[bytes]] = []

    def start(self, argv: Sequence[str] = WAITS, **environment: str) -> subprocess.Popen[bytes]:
        """One in a session of its own, as a command in a container is."""
        one = subprocess.Popen(
            argv,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,
        )
        self.running.append(one)
        assert one.stdout is not None
        one.stdout.readline()
        return one

    def close(self) -> None:
        for one in self.running:
            one.communicate()


@pytest.fixture
def programs() -> Iterator[Programs]:
    one = Programs()
    yield one
    one.close()


def own_group() -> str:
    """Something that this process's cgroups are called, and so its children's."""
    return Path("/proc/self/cgroup").read_text().splitlines()[0].rpartition(":")[2]


def test_what_has_the_mark_is_ended(programs: Programs) -> None:
    marked, other = programs.start(RING_EXEC="f00d"), programs.start(RING_EXEC="f00dish", A="f00d")

    assert end_marked(MARK, 0, NOWHERE) == 1

    assert marked.wait(10) == -signal.SIGKILL
    assert other.poll() is None
    assert end_marked(MARK, 0, NOWHERE) == 0


def test_its_children_are_ended_though_they_shed_the_mark_and_the_session(
    programs: Programs,
) -> None:
    """Not those whose parent has ended before: nobody can tell whose they were."""
    command = programs.start(RING_EXEC="f00d", argv=FORKS)
    assert command.stdout is not None
    told = sorted(command.stdout.readline().decode() for _ in ("child", "orphan", "ready"))
    child, orphan = (os.pidfd_open(int(line.split()[1])) for line in told[:2])
    try:
        assert end_marked(MARK, 0, NOWHERE) == 2
        assert command.wait(10) == -signal.SIGKILL
        assert select.select([child], [], [], 10) == ([child], [], [])
        assert select.select([orphan], [], [], 0) == ([], [], [])
    finally:
        signal.pidfd_send_signal(orphan, signal.SIGKILL)
        os.close(child)
        os.close(orphan)


def test_more_than_are_held_at_once_are_ended_by_looking_again(
    programs: Programs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(marked, "_MOST_AT_ONCE", 2)
    started = [programs.start(RING_EXEC="f00d") for _ in range(3)]
    assert end_marked(MARK, 0, NOWHERE) == 2
    wait_for_the_end_of(2, started)  # what was killed a moment ago may be there still
    assert end_marked(MARK, 0, NOWHERE) == 1
    assert {one.wait(10) for one in started} == {-signal.SIGKILL}


def wait_for_the_end_of(count: int, processes: Sequence[subprocess.Popen[bytes]]) -> None:
    handles = [os.pidfd_open(one.pid) for one in processes]
    poll = select.poll()
    for handle in handles:
        poll.register(handle, select.POLLIN)
    while count:
        ended = poll.poll(10_000)
        assert ended
        count -= len(ended)
        for handle, _ in ended:
            poll.unregister(handle)
    for handle in handles:
        os.close(handle)


def test_a_session_is_ended_only_in_its_container(programs: Programs) -> None:
    leader, other = programs.start(), programs.start()

    assert end_marked(MARK, leader.pid, NOWHERE) == 0
    assert leader.poll() is None

    assert end_marked(MARK, leader.pid, own_group()) == 1
    assert leader.wait(10) == -signal.SIGKILL
    assert other.poll() is None


def test_what_was_not_put_into_a_container_has_no_owner_to_lose(programs: Programs) -> None:
    """That the rest is ended is seen with a real engine, in tests/e2e."""
    space, _, _ = owner().split("-")
    name = f"T{uuid.uuid4().hex}"  # nobody else's on this machine
    gone = programs.start(**{name: f"{space}-{2**22 + 1}-1-f00d"})
    ours = programs.start(**{name: f"{owner()}-f00d"})
    odd = programs.start(**{name: "--"})
    assert end_ownerless(name.encode()) == 0
    assert [one.poll() for one in (gone, ours, odd)] == [None, None, None]


@pytest.mark.parametrize(
    ("change", "is_gone"),
    [
        (lambda space, pid, start: (space, pid, start), False),
        (lambda space, pid, start: (space, pid, f"{int(start) + 1}"), True),
        (lambda space, pid, start: (space, f"{2**22 + 1}", start), True),
        (lambda space, pid, start: (f"{int(space) + 1}", f"{2**22 + 1}", start), False),
        (lambda space, pid, start: ("", "", ""), False),
        (lambda space, pid, start: (space, "x", start), False),
        (lambda space, pid, start: (space, "9" * 5000, start), False),
        (lambda space, pid, start: (space, pid, "9" * 5000), False),
    ],
)
def test_an_owneris_ownerless(
    change: Callable[[str, str, str], tuple[str, str, str]], *, is_gone: bool
) -> None:
    space, pid, start = owner().split("-")
    mark = "-".join((*change(space, pid, start), "f00d"))
    assert marked.is_ownerless(mark.encode()) is is_gone
