"""A whole instance read from a machine's files."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ring.core.model.ids import InstanceId
from ring.core.model.usage import Usage
from ring.engine.sampling.machine import Machine, Place
from ring.runtimes.base import Process
from tests.engine.sampling.files import Files

if TYPE_CHECKING:
    from pathlib import Path

ID = InstanceId("a1b2" * 16)
MACHINE_BYTES = 16_303_428 * 1024


@pytest.fixture(params=[False, True], ids=["v1", "v2"])
def files(request: pytest.FixtureRequest, tmp_path: Path) -> Files:
    return Files(tmp_path, unified=request.param)


@pytest.fixture
def machine(files: Files) -> Machine:
    return Machine(lambda: 7.0, files.root)


def found(machine: Machine, pid: int, *, restarts: int = 0, own: bool = True) -> Place:
    place = machine.place(ID, Process(pid, restarts), has_own_network=own)
    assert place is not None
    return place


@pytest.mark.parametrize("below", ["", "/init.scope"])
def test_every_figure(files: Files, machine: Machine, below: str) -> None:
    files.process(4242, ID, below)

    reading = machine.read(found(machine, 4242, restarts=2))

    assert reading is not None
    assert (reading.at, reading.cpu_ns) == (7.0, 2_500_000_000)
    inactive = 12_288 if files.unified else 16_384
    assert reading.usage == Usage(
        memory_bytes=102_400 - inactive,
        memory_limit_bytes=67_108_864,
        rx_bytes=1506,
        tx_bytes=176,
        rx_packets=19,
        tx_packets=4,
        read_bytes=4196,
        written_bytes=8193,
        pids=3,
        pids_limit=100,
        restarts=2,
    )


def test_without_limits(files: Files, machine: Machine) -> None:
    files.process(4242, ID)
    files.limits(ID, "max\n" if files.unified else "9223372036854771712\n", "max\n")

    reading = machine.read(found(machine, 4242))

    assert reading is not None
    assert reading.usage.memory_limit_bytes == MACHINE_BYTES
    assert reading.usage.pids_limit == 0


def test_the_network_of_the_host_is_not_the_instances(files: Files, machine: Machine) -> None:
    files.process(4242, ID)

    reading = machine.read(found(machine, 4242, own=False))

    assert reading is not None
    assert reading.usage.rx_bytes == reading.usage.tx_packets == 0
    assert reading.usage.pids == 3


def test_what_a_kernel_does_not_count_is_zero(files: Files, machine: Machine) -> None:
    files.process(4242, ID)
    for pattern in ("**/io.stat", "**/blkio.*", "**/pids.*"):
        for file in files.root.glob(pattern):
            file.unlink()

    reading = machine.read(found(machine, 4242))

    assert reading is not None
    assert (reading.usage.read_bytes, reading.usage.pids) == (0, 0)
    assert reading.usage.memory_bytes > 0


def test_no_such_process(machine: Machine) -> None:
    assert machine.place(ID, Process(4242), has_own_network=True) is None


def test_the_process_of_another_instance(files: Files, machine: Machine) -> None:
    files.process(4242, "c3d4" * 16)

    assert machine.place(ID, Process(4242), has_own_network=True) is None


def test_a_process_that_ended(files: Files, machine: Machine) -> None:
    files.process(4242, ID)
    place = found(machine, 4242)

    files.ends(4242)

    assert machine.read(place) is None


def test_a_process_that_ends_while_it_is_read(files: Files) -> None:
    files.process(4242, ID)

    def mono() -> float:
        files.ends(4242)
        return 7.0

    machine = Machine(mono, files.root)
    assert machine.read(found(machine, 4242)) is None


def test_a_process_that_ended_and_is_not_reaped(files: Files, machine: Machine) -> None:
    """It is in its groups still, and in no network any more."""
    files.process(4242, ID)
    place = found(machine, 4242)

    (files.root / "proc/4242/net/dev").unlink()

    assert machine.read(place) is None


def test_another_process_with_the_number_of_one_that_ended(files: Files, machine: Machine) -> None:
    files.process(4242, ID)
    place = found(machine, 4242)

    files.process(4242, "c3d4" * 16)

    assert machine.read(place) is None


def test_a_machine_that_shows_nothing_of_its_groups(tmp_path: Path) -> None:
    files = Files(tmp_path, unified=True)
    files.process(4242, ID)
    files.write("proc/self/mountinfo", "")

    assert Machine(lambda: 7.0, tmp_path).place(ID, Process(4242), has_own_network=True) is None
