"""What this machine's files say of an instance under load is what its engine's statistics say.

Where nothing changes any more between the engine's figures and the engine's figures after them,
those in between are the same.
"""

from __future__ import annotations

import asyncio
import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ring.core.model.spec import Quantities, Resources
from ring.engine.sampling.machine import Machine
from ring.engine.sampling.sampler import Sampler
from ring.runtimes.base import Samples
from tests.contract.outside import eventually

if TYPE_CHECKING:
    from ring.core.model.observed import Instance
    from ring.core.model.usage import Usage
    from ring.engine.sampling.machine import Place
    from tests.contract.engines import EngineOutside
    from tests.contract.space import Space
    from tests.contract.statistics import Told

pytestmark = [pytest.mark.anyio, pytest.mark.engine]

MIB = 1024 * 1024
BUSY = ("sh", "-c", "while :; do :; done")
WORKED_S = 1.0
"""Of processor time: so long that what passes between two looks is nothing beside it."""
POINTS = 5.0
"""Per cent of a core."""

HELD_BYTES = 16 * MIB
SLEEPERS = 3
HOLDING = (
    "sh",
    "-c",
    f"held=$(head -c {HELD_BYTES} /dev/zero | tr '\\0' x); "
    f"for each in $(seq {SLEEPERS}); do sleep 999 & done; : >/held; "
    "while :; do sleep 999 & wait $!; done",
)
"""So much memory that is no file's."""
CACHED_BYTES = 24 * MIB
CACHED = f"dd if=/dev/zero of=/cached bs=1M count={CACHED_BYTES // MIB} conv=fsync"
"""A file that stays in memory and that nobody uses again."""
DIRECT_BYTES = 8 * MIB
DIRECT = (
    f"dd if=/dev/zero of=/direct bs=1M count={DIRECT_BYTES // MIB} oflag=direct && "
    "dd if=/direct of=/dev/null bs=1M iflag=direct"
)
"""To the device and back, past the memory."""

FILE_BYTES = 4 * MIB
SERVING = (
    "sh",
    "-c",
    f"mkdir /www; head -c {FILE_BYTES} /dev/zero >/www/file; httpd -p 80 -h /www; "
    "while :; do sleep 999 & wait $!; done",
)


def share(before: Told, after: Told) -> float:
    """Per cent of a core, as an engine's own command reckons it."""
    return (after.cpu_ns - before.cpu_ns) / (after.passed_ns - before.passed_ns) * 100


class Looking:
    """The subject on one instance."""

    def __init__(self, space: Space, instance: Instance) -> None:
        self._space = space
        self._instance = instance
        self._sampler = Sampler(Machine(time.monotonic))

    async def place(self) -> Place:
        assert isinstance(self._space.runtime, Samples)
        (place,) = await self._sampler.find(
            self._space.runtime, [self._instance], has_own_network=True
        )
        return place

    async def usage(self) -> Usage:
        return (await self._sampler.take([await self.place()]))[self._instance.id]

    async def between(self, engine: EngineOutside) -> tuple[Told, Usage, Told]:
        before = await engine.statistics(self._instance.id)
        return before, await self.usage(), await engine.statistics(self._instance.id)


async def test_processor_time(engine: EngineOutside, engine_space: Space) -> None:
    """Of loops that get no more than they would on a busy machine, too: what others do meanwhile
    changes nothing, and no two looks are at one moment."""

    async def limited(cores: float) -> float:
        resources = Resources(limits=Quantities(cpu=f"{cores}"))
        order = await engine_space.order(command=BUSY, resources=resources)
        return await _worked(engine, engine_space, await engine_space.running(order))

    fifth, third = await asyncio.gather(limited(0.2), limited(0.3))
    assert 1 < fifth < 20 + POINTS
    assert 1 < third < 30 + POINTS


async def _worked(engine: EngineOutside, space: Space, instance: Instance) -> float:
    """Per cent, which the engine and the process itself have told as well."""
    looking = Looking(space, instance)
    process = Path(f"{(await looking.place()).folder}/stat")
    await looking.usage()
    before = await engine.statistics(instance.id)
    await looking.usage()
    worked_s = _processor_s(process)

    async def has_worked() -> bool:
        return _processor_s(process) - worked_s >= WORKED_S

    await eventually(has_worked, 60)
    after = await engine.statistics(instance.id)
    found = (await looking.usage()).cpu_percent
    assert found == pytest.approx(share(before, after), abs=POINTS)
    return found


def _processor_s(process: Path) -> float:
    """Seconds in user and system mode, as the kernel counts them for a process alone."""
    words = process.read_text().rpartition(")")[2].split()
    return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")


async def test_memory_disk_and_pids(engine: EngineOutside, engine_space: Space) -> None:
    limits = Resources(limits=Quantities(memory="128Mi"))
    order = await engine_space.order(command=HOLDING, resources=limits)
    instance = await engine_space.running(order)
    looking = Looking(engine_space, instance)

    async def holds() -> bool:
        code, _ = await engine.run(instance.id, "test", "-e", "/held")
        return code == 0

    await eventually(holds, 30)
    is_counted = _count_disk(await engine.upper(instance.id), await looking.place())
    for load in (DIRECT, CACHED):
        code, output = await engine.run(instance.id, "sh", "-c", load)
        assert code == 0, output

    before, found, after = await looking.between(engine)

    assert found.memory_limit_bytes == after.limit_bytes == 128 * MIB
    charged = await _charged(engine, instance)
    assert found.memory_bytes == pytest.approx(charged.used - charged.inactive, rel=0.05)
    assert HELD_BYTES < found.memory_bytes < charged.used - CACHED_BYTES * 0.95
    like = charged.anonymous if await engine.tells_anonymous_memory() else charged.used
    assert after.memory_bytes == pytest.approx(like, rel=0.05)
    assert before.read_bytes <= found.read_bytes <= after.read_bytes
    assert before.written_bytes <= found.written_bytes <= after.written_bytes
    if is_counted:
        assert DIRECT_BYTES <= found.read_bytes < 2 * DIRECT_BYTES
        assert found.written_bytes >= DIRECT_BYTES
    assert found.pids == after.pids == 2 + SLEEPERS
    assert found.pids_limit == await engine.pids_limit(instance.id)


@dataclass(frozen=True, slots=True)
class Charged:
    """Bytes of memory, as the kernel tells the instance itself."""

    used: int
    """With what is cached of files, and what the kernel holds for it."""
    inactive: int
    """Of files: nobody uses them."""
    anonymous: int
    """Of no file."""


async def _charged(engine: EngineOutside, instance: Instance) -> Charged:
    """Nobody's word but the kernel's, which shows the instance its own group alone."""
    script = (
        "cd /sys/fs/cgroup; if [ -d memory ]; then cd memory; cat memory.usage_in_bytes; "
        "else cat memory.current; fi; cat memory.stat"
    )
    code, output = await engine.run(instance.id, "sh", "-c", script)
    assert code == 0, output
    used, *stat = output.splitlines()
    figures = {name: int(value) for name, value in map(str.split, stat)}
    if "total_inactive_file" in figures:  # of version 1, which counts them by their lists
        anonymous = figures["total_active_anon"] + figures["total_inactive_anon"]
        return Charged(int(used), figures["total_inactive_file"], anonymous)
    return Charged(int(used), figures["inactive_file"], figures["anon"])


def _count_disk(upper: Path, place: Place) -> bool:
    """Has the kernel count what goes to the device under this directory; False: there is none.

    With control groups of version 1 a new kernel counts nothing, for the engine nor for anybody
    else, before there has been a limit for the device.
    """
    number = upper.stat().st_dev
    device = Path(f"/sys/dev/block/{os.major(number)}:{os.minor(number)}").resolve()
    if not device.exists():
        return False  # memory, or a file system over several devices
    whole = device.parent if (device / "partition").exists() else device
    group = place.groups["blkio"]
    if not group.is_unified:
        no_limit = f"{(whole / 'dev').read_text().strip()} {1 << 50}"
        (Path(group.folder) / "blkio.throttle.write_bps_device").write_text(no_limit)
    return True


async def test_network(engine: EngineOutside, engine_space: Space) -> None:
    server = await engine_space.running(await engine_space.order(command=SERVING))
    client = await engine_space.running()
    both = (server.id, client.id)
    second = f"{engine_space.namespace}b"
    await engine.joins(both, second)
    try:
        await _fetched(engine, server, "127.0.0.1")
        addresses = await engine.addresses(server.id)
        assert len(addresses) == 2
        for address in addresses:
            await _fetched(engine, client, address)

        sent, received = await asyncio.gather(
            *(Looking(engine_space, one).between(engine) for one in (server, client))
        )

        most = 2.2 * FILE_BYTES
        assert 2 * FILE_BYTES < sent[1].tx_bytes < most, "the loopback interface is not counted"
        assert 2 * FILE_BYTES < received[1].rx_bytes < most
        for before, found, after in (sent, received):
            _is_between(before, found, after)
    finally:
        await engine.leaves(both, second)


def _is_between(before: Told, found: Usage, after: Told) -> None:
    """Podman 4 tells what an instance has received as sent, and the other way round, and no
    packets."""
    ways = [(one.rx_bytes, one.tx_bytes) for one in (before, after)]
    if (found.rx_bytes > found.tx_bytes) is not (after.rx_bytes > after.tx_bytes):
        ways = [(sent, received) for received, sent in ways]
    assert ways[0][0] <= found.rx_bytes <= ways[1][0]
    assert ways[0][1] <= found.tx_bytes <= ways[1][1]
    if after.rx_packets:
        assert before.rx_packets <= found.rx_packets <= after.rx_packets
        assert before.tx_packets <= found.tx_packets <= after.tx_packets


async def _fetched(engine: EngineOutside, instance: Instance, address: str) -> None:
    """The whole file, once the server is up."""

    async def is_here() -> bool:
        url = f"http://{address}/file"
        code, _ = await engine.run(instance.id, "wget", "-q", "-O", "/dev/null", url)
        return code == 0

    await eventually(is_here, 30)
