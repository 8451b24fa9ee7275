"""Containers of a containerd that nobody but `ctr` has made, in a namespace of their own."""

from __future__ import annotations

import asyncio
import shutil
import uuid
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from ring.core.model.ids import InstanceId
from ring.runtimes.containerd.client import Client
from tests.contract.outside import missing, printed, required

if TYPE_CHECKING:
    from collections.abc import Mapping

BUSYBOX = "busybox"
IDLE = ("sleep", "100000")
_STREAMS = "/run/containerd/fifo/"
"""Where `ctr` has those of what it runs."""
_PIDFD = "anon_inode:[pidfd]"


class Bare:
    """One namespace. Their root is a folder with a static busybox, so that no image is needed."""

    def __init__(self, folder: Path) -> None:
        self.socket = Path(required("RING_TEST_CONTAINERD", "a containerd"))
        self.namespace = f"t{uuid.uuid4().hex[:10]}"
        self.client = Client(self.socket, self.namespace)
        self.root = folder / "root"

    async def prepare(self) -> None:
        found = shutil.which(BUSYBOX)
        if found is None:
            missing("a static busybox is needed (scripts/engines.py ensure)")
        for name in ("bin", "etc", "proc", "sys", "dev", "tmp"):
            (self.root / name).mkdir(parents=True)
        shutil.copy(found, self.root / "bin" / BUSYBOX)
        for applet in (await printed(found, "--list")).split():
            if applet != BUSYBOX:
                (self.root / "bin" / applet).symlink_to(BUSYBOX)

    async def run(
        self, *argv: str, labels: Mapping[str, str] | None = None, memory: int = 0
    ) -> InstanceId:
        """One that runs."""
        name = f"{self.namespace}_web_{uuid.uuid4().hex[:8]}"
        told = [part for pair in (labels or {}).items() for part in ("--label", "=".join(pair))]
        limit = ["--memory-limit", str(memory)] if memory else []
        options = [
            "--env",
            "PATH=/bin",
            "--rootfs",
            "--detach",
            "--cgroup",
            f"/ring/{name}",
            *limit,
            *told,
        ]
        await self.ctr("run", *options, str(self.root), name, *(argv or IDLE))
        return InstanceId(name)

    async def ctr(self, *argv: str) -> str:
        return await printed(
            "ctr", "--address", str(self.socket), "--namespace", self.namespace, *argv
        )

    async def pid(self, instance_id: InstanceId) -> int:
        listed = (await self.ctr("tasks", "list")).splitlines()
        return next(int(line.split()[1]) for line in listed if line.split()[0] == instance_id)

    async def processes(self, instance_id: InstanceId) -> int:
        """How many run in it."""
        listed = await self.ctr("tasks", "ps", instance_id)
        return len(listed.splitlines()) - 1

    async def shim_files(self, instance_id: InstanceId) -> int:
        """How many files the shim of it has open, but for the container's own streams, since it
        opens its input at some time after the start has been answered, and for handles of
        processes, which its language lets go of when it collects garbage."""
        shim = _parent(await self.pid(instance_id))
        return len([one for one in _opened(shim) if not one.startswith((_STREAMS, _PIDFD))])

    async def close(self) -> None:
        await self.client.close()
        for one in (await self.ctr("containers", "list", "--quiet")).split():
            process = await asyncio.create_subprocess_exec(
                "ctr", "--address", str(self.socket), "--namespace", self.namespace,
                "tasks", "delete", "--force", one,
                stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL,
            )  # fmt: skip
            await process.wait()  # of one that was killed it tells the code as its own
            await self.ctr("containers", "delete", one)
        await self.ctr("namespaces", "remove", self.namespace)


def _opened(pid: str) -> list[str]:
    """What is closed meanwhile is not told."""
    found = []
    for file in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(FileNotFoundError):
            found.append(str(file.readlink()))
    return found


def _parent(pid: int) -> str:
    after_name = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return after_name[1]
