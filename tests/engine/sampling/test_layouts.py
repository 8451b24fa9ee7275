"""An instance is found, and read right, wherever its engine has put it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ring.core.model.ids import InstanceId
from ring.core.model.usage import Usage
from ring.engine.sampling.machine import Machine
from ring.runtimes.base import Process
from tests.engine.sampling import layouts

if TYPE_CHECKING:
    from pathlib import Path

    from ring.engine.sampling.machine import Reading
    from tests.engine.sampling.layouts import Layout

PID = 4242
NETWORK = {"rx_bytes": 4_314_280, "tx_bytes": 218_576, "rx_packets": 3137, "tx_packets": 2714}

CPU_V1_NS = 315_904_755
DISK_V1 = {"read_bytes": 25_165_824, "written_bytes": 25_174_016}
CPU_V2_NS = 48_211_373_000
MEMORY_V2_BYTES = 105_361_408 - 52_428_800


def read(root: Path, layout: Layout) -> Reading:
    layout.write(root, PID)
    machine = Machine(lambda: 7.0, root)
    place = machine.place(InstanceId(layouts.ID), Process(PID), has_own_network=True)
    assert place is not None
    reading = machine.read(place)
    assert reading is not None
    return reading


@pytest.mark.parametrize("name", layouts.V2)
def test_version_2(tmp_path: Path, name: str) -> None:
    reading = read(tmp_path, layouts.V2[name])

    assert reading.cpu_ns == CPU_V2_NS
    assert reading.usage == Usage(
        memory_bytes=MEMORY_V2_BYTES,
        memory_limit_bytes=268_435_456,
        read_bytes=54_525_952 + 1_048_576,
        written_bytes=25_174_016 + 8192,
        pids=9,
        pids_limit=512,
        **NETWORK,
    )


@pytest.mark.parametrize("name", layouts.V1)
def test_version_1(tmp_path: Path, name: str) -> None:
    reading = read(tmp_path, layouts.V1[name])

    assert reading.cpu_ns == CPU_V1_NS
    assert reading.usage == Usage(
        memory_bytes=24_043_520 - 7_569_408,
        memory_limit_bytes=134_217_728,
        pids=3,
        pids_limit=64,
        **DISK_V1,
        **NETWORK,
    )


def test_each_controller_is_read_where_it_is(tmp_path: Path) -> None:
    """Some are of version 1, others of version 2."""
    reading = read(tmp_path, layouts.DIVIDED_DOCKER)

    assert reading.cpu_ns == CPU_V1_NS
    assert reading.usage.read_bytes == DISK_V1["read_bytes"]
    assert (reading.usage.memory_bytes, reading.usage.pids) == (MEMORY_V2_BYTES, 9)
