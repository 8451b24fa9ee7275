from __future__ import annotations

import asyncio
import errno
import os
import threading
from typing import TYPE_CHECKING

import pytest

from ring.core.model.failures import FailureClass
from ring.core.model.ids import InstanceId
from ring.core.model.shares import Share
from ring.runtimes.base import RuntimeFailure
from ring.runtimes.containerd.nfs import Shares
from ring.runtimes.shares import digest

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.anyio

SOURCE = "127.0.0.1:/exp/a"
SHARE = Share("127.0.0.1", "/exp/a")
DIGEST = digest(SOURCE)
ONE, OTHER = InstanceId("shop_web_00000001"), InstanceId("shop_web_00000002")


class Kernel:
    """Mounts as a machine does that has the file system."""

    def __init__(self, path: Path) -> None:
        self.directory = path / "state dir" / "nfs"
        self.mounts = path / "mountinfo"
        self.mounts.write_text("22 1 0:20 / / rw - ext4 /dev/sda rw\n")
        self.mounted: list[tuple[str, str, str, str]] = []
        self.refuses = False
        self.asked = threading.Semaphore(0)
        self.answers = threading.Event()
        self.answers.set()

    def mount(self, source: str, target: Path, kind: str, data: str) -> None:
        if self.refuses:
            raise OSError(errno.ECONNREFUSED, os.strerror(errno.ECONNREFUSED))
        assert target.is_dir()
        self.asked.release()
        assert self.answers.wait(10)
        self.mounted.append((source, os.fspath(target), kind, data))
        quoted = os.fspath(target).replace(" ", "\\040")
        with self.mounts.open("a") as file:
            file.write(f"23 22 0:50 / {quoted} rw - nfs4 127.0.0.1:/exp/a rw\n")

    def unmount(self, target: Path) -> None:
        self.mounted = [each for each in self.mounted if each[1] != os.fspath(target)]
        lines = self.mounts.read_bytes().split(b"\n")
        self.mounts.write_bytes(b"\n".join(x for x in lines if target.name.encode() not in x))

    def shares(self) -> Shares:
        """Of a server that was just started."""
        return Shares(
            self.directory,
            mount=self.mount,
            unmount=self.unmount,
            mounts=self.mounts,
            patience_s=0.01,
        )


@pytest.fixture
def kernel(tmp_path: Path) -> Kernel:
    return Kernel(tmp_path)


async def test_a_share_is_mounted_once_and_as_long_as_it_is_used(kernel: Kernel) -> None:
    first = kernel.shares()
    target = f"{kernel.directory}/{DIGEST}"
    assert await first.use(SOURCE, SHARE, ONE) == target
    assert await first.use(SOURCE, SHARE, ONE) == target
    again = kernel.shares()
    assert await again.use(SOURCE, SHARE, OTHER) == target
    assert kernel.mounted == [(":/exp/a", target, "nfs", "addr=127.0.0.1,nfsvers=4")]
    await again.release(ONE)
    assert len(kernel.mounted) == 1
    await kernel.shares().release(OTHER)
    assert kernel.mounted == []
    assert list(kernel.directory.iterdir()) == []
    await again.release(OTHER)


async def test_after_a_start_of_the_machine_it_is_mounted_anew(kernel: Kernel) -> None:
    await kernel.shares().use(SOURCE, SHARE, ONE)
    kernel.unmount(kernel.directory / DIGEST)
    await kernel.shares().use(SOURCE, SHARE, OTHER)
    assert len(kernel.mounted) == 1
    kernel.unmount(kernel.directory / DIGEST)
    for each in (ONE, OTHER):
        await kernel.shares().release(each)
    assert list(kernel.directory.iterdir()) == []


async def test_mounts_of_others_may_have_any_name(kernel: Kernel) -> None:
    with kernel.mounts.open("ab") as file:
        for name in (b"caf\xe9", "a\u2028b".encode(), b"a\x85b\rc"):
            file.write(b"30 22 0:60 / /home/one/" + name + b" rw - fuse.some some rw\n")
    target = await kernel.shares().use(SOURCE, SHARE, ONE)
    assert await kernel.shares().use(SOURCE, SHARE, OTHER) == target
    assert len(kernel.mounted) == 1


async def test_one_that_cannot_be_mounted_leaves_nothing(kernel: Kernel) -> None:
    kernel.refuses = True
    with pytest.raises(RuntimeFailure, match="Connection refused") as caught:
        await kernel.shares().use(SOURCE, SHARE, ONE)
    assert caught.value.failure.kind is FailureClass.INSTANCE_REJECTED
    assert f"'{SOURCE}'" in caught.value.message
    assert list(kernel.directory.iterdir()) == []


async def under_way(kernel: Kernel, shares: Shares) -> tuple[asyncio.Future[str], ...]:
    """A use that mounts, which the kernel does not answer, and another one that waits for it."""
    kernel.answers.clear()
    hung = asyncio.ensure_future(shares.use(SOURCE, SHARE, ONE))
    await asyncio.to_thread(kernel.asked.acquire)
    waits = asyncio.ensure_future(shares.use(SOURCE, SHARE, OTHER))
    while not (kernel.directory / f"{DIGEST}.users" / OTHER).exists():  # noqa: ASYNC110 - a thread's
        await asyncio.sleep(0)
    return hung, waits


async def test_a_server_that_does_not_answer_holds_nobody_up(kernel: Kernel) -> None:
    """Neither who gives up, nor what the kernel still waits for, leaves anything."""
    shares = kernel.shares()
    hung, waits = await under_way(kernel, shares)
    for using, instance_id in ((hung, ONE), (waits, OTHER)):
        using.cancel()
        await shares.release(instance_id)
    assert kernel.mounted == []
    kernel.answers.set()
    async with asyncio.timeout(10):
        while list(kernel.directory.iterdir()):  # noqa: ASYNC110 - a thread's
            await asyncio.sleep(0)
    assert kernel.mounted == []
    assert not kernel.asked.acquire(blocking=False)


async def test_what_is_mounted_late_is_kept_for_who_still_wants_it(kernel: Kernel) -> None:
    shares = kernel.shares()
    hung, waits = await under_way(kernel, shares)
    hung.cancel()
    await shares.release(ONE)
    kernel.answers.set()
    await waits
    assert len(kernel.mounted) == 1
    await shares.release(OTHER)
    assert kernel.mounted == []
