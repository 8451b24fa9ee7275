"""An instance without control groups, measured by its processes."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from ring.core.model.ids import InstanceId
from ring.core.model.usage import Usage
from ring.engine.sampling import processes
from ring.engine.sampling.machine import Machine
from ring.engine.sampling.processes import MOST, Taken, began, taken
from ring.runtimes.base import Process
from tests.engine.sampling.files import NET_DEV, Files

ID = InstanceId("a1b2" * 16)
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
TICK_NS = 1_000_000_000 // os.sysconf("SC_CLK_TCK")


def add(files: Files, pid: int, *children: int, state: str = "S", started: int = 500) -> None:
    """With 1 + 2 + 3 + 4 ticks, 2 threads and 10 pages; the second thread has the last child."""
    times = "1 2 3 4"
    files.write(
        f"proc/{pid}/stat",
        f"{pid} (a) b) {state} 1 1 1 0 -1 4194560 9 9 9 9 {times} 20 0 2 0 {started} 4096 10 99\n",
    )
    files.write(f"proc/{pid}/io", "rchar: 9\nread_bytes: 100\nwrite_bytes: 10\n")
    files.write(f"proc/{pid}/task/{pid}/children", " ".join(map(str, children[:-1])))
    files.write(f"proc/{pid}/task/{pid}1/children", " ".join(map(str, children[-1:])))


@pytest.fixture
def files(tmp_path: Path) -> Files:
    made = Files(tmp_path, unified=False)
    made.write("proc/42/cgroup", "4:memory:/\n3:pids:/\n0::/\n")
    made.write("proc/42/net/dev", NET_DEV)
    add(made, 42, 43, 44)
    add(made, 43)
    add(made, 44, 45)
    add(made, 45)
    add(made, 46)
    return made


def test_all_below_the_first_are_added_up(files: Files) -> None:
    proc = f"{files.root}/proc"
    assert taken(proc, 42) == Taken(40 * TICK_NS, 40 * PAGE_BYTES, 8, 400, 40)
    assert taken(proc, 44) == Taken(20 * TICK_NS, 20 * PAGE_BYTES, 4, 200, 20)
    assert taken(proc, 99) == Taken()


def test_threads_without_end_are_not_all_looked_at(
    files: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each may have children, so each costs a file."""
    read: list[str] = []

    def text(path: str) -> str:
        read.append(path)
        return ""

    monkeypatch.setattr(processes, "text", text)
    monkeypatch.setattr(processes, "_names", lambda _: [str(one) for one in range(MOST * 3)])
    taken(f"{files.root}/proc", 42)
    assert sum(path.endswith("/children") for path in read) == MOST


def test_only_where_the_engine_may_have_no_groups(files: Files) -> None:
    """Elsewhere a process without them is somebody else's."""
    machine = Machine(lambda: 7.0, files.root)
    assert machine.place(ID, Process(42), has_own_network=True) is None
    assert machine.place(ID, Process(99, may_lack_groups=True), has_own_network=True) is None
    place = machine.place(ID, Process(42, 2, may_lack_groups=True), has_own_network=True)
    assert place is not None
    reading = machine.read(place)
    assert reading is not None
    assert (reading.at, reading.cpu_ns) == (7.0, 40 * TICK_NS)
    assert reading.usage == Usage(
        memory_bytes=40 * PAGE_BYTES,
        memory_limit_bytes=16_303_428 * 1024,
        rx_bytes=1506,
        tx_bytes=176,
        rx_packets=19,
        tx_packets=4,
        read_bytes=400,
        written_bytes=40,
        pids=8,
        restarts=2,
    )


@pytest.mark.parametrize(("state", "started"), [("Z", 500), ("S", 501)])
def test_another_process_of_its_number_tells_nothing(
    files: Files, state: str, started: int
) -> None:
    machine = Machine(lambda: 7.0, files.root)
    place = machine.place(ID, Process(42, may_lack_groups=True), has_own_network=True)
    assert place is not None
    add(files, 42, state=state, started=started)
    assert machine.read(place) is None


def test_with_groups_they_are_what_is_read(files: Files) -> None:
    files.process(47, ID)
    machine = Machine(lambda: 7.0, files.root)
    place = machine.place(ID, Process(47, may_lack_groups=True), has_own_network=True)
    assert place is not None
    reading = machine.read(place)
    assert reading is not None
    assert reading.usage.pids_limit == 100


def resident_bytes() -> int:
    """Of this process alone."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * PAGE_BYTES


def test_what_the_kernel_tells_of_a_busy_one() -> None:
    """Its time is there while it lives, and its parent's when it was waited for."""
    before = taken("/proc", os.getpid())
    busy = "import time; n = 0\nwhile time.process_time() < 0.3: n += 1\nprint(n)\ninput()"
    argv = [sys.executable, "-c", busy]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        assert child.stdout.readline()
        during = taken("/proc", os.getpid())
        alone = resident_bytes()
        assert began(f"/proc/{child.pid}")
    after = taken("/proc", os.getpid())
    assert during.cpu_ns - before.cpu_ns > 250_000_000
    assert after.cpu_ns >= during.cpu_ns
    assert during.memory_bytes > alone
    assert (during.tasks, after.tasks) == (before.tasks + 1, before.tasks)
