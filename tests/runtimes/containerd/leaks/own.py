"""A containerd that one test has for itself, and servers' halves of a life on it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from ring.runtimes import containerd
from ring.runtimes.base import Resync, Unavailable
from ring.runtimes.containerd.networking import conflists
from scripts import engines
from tests.contract.containerd import ContainerdOutside, options
from tests.contract.space import Space
from tests.runtimes.containerd.leaks.census import Census, census, keepers, shims

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from scripts.engines import Engine

    from ring.core.model.ids import InstanceId
    from ring.runtimes.base import Runtime, RuntimeEvent

E = TypeVar("E")

SERVER = "server-a"
"""What Space says that its orders are of."""
AGAIN_S = 0.1
"""Between attempts to hear of events."""


class OwnOutside(ContainerdOutside):
    """Its runtimes are all of one server."""

    def opened(self, socket: Path) -> Runtime:
        return containerd.open_runtime({**options(socket), "server_id": SERVER})


class Own:
    """What a scenario has: it runs in the network of this containerd."""

    def __init__(self, root: Path, mark: str) -> None:
        """mark: begins every name that is given, and is nobody else's."""
        self.engine = engines.engine_at(root)
        self.mark = mark
        self.socket = self.engine.containerd_socket
        self.homes = [Path(str(options(self.socket)[key])) for key in ("state_dir", "run_dir")]
        self.namespace = f"{mark}n"

    @contextlib.asynccontextmanager
    async def space(self) -> AsyncIterator[Space]:
        """A runtime, as a server has it; it goes without taking anything away."""
        outside = OwnOutside(self.socket, engines.TEST_IMAGE)
        try:
            yield Space(outside, self.namespace, SERVER)
        finally:
            await outside.close()

    def census(self) -> Census:
        return census(self.engine, self.homes, self.mark)

    # containerd itself
    def kill(self) -> None:
        """What it runs goes on."""
        engines.signal_containerd(self.engine, signal.SIGKILL)

    def start(self) -> None:
        engines.start_containerd(self.engine)

    def cut_off(self) -> list[Path]:
        """Bundles of starts that containerd was killed over, before their shim had written down
        which runtime it is: without that none can be asked to clean up."""
        bundles = self.engine.root.glob("containerd-state/io.containerd.runtime.v2.task/*/*")
        return [bundle for bundle in bundles if not (bundle / "runtime").exists()]

    @contextlib.contextmanager
    def frozen(self) -> Iterator[None]:
        """It is there, and nothing is answered."""
        engines.signal_containerd(self.engine, signal.SIGSTOP)
        try:
            yield
        finally:
            engines.signal_containerd(self.engine, signal.SIGCONT)

    # what is around it
    def shim(self, instance_id: InstanceId) -> int:
        return shims(self.engine)[instance_id]

    def keeper(self, name: str) -> int:
        """Its process: `ring.network.keeper` or `logkeeper`; 0: there is none."""
        return keepers(self.engine).get(name, 0)

    def conflist(self) -> Path:
        directory = Path(str(options(self.socket)["cni_conf_dir"]))
        return conflists.path_of(directory, conflists.network_name(self.namespace))

    def bridge(self) -> str:
        return conflists.bridge_name(conflists.network_name(self.namespace))


class Told:
    """What a runtime tells, as a server listens to it: again, whenever it breaks off."""

    def __init__(self, runtime: Runtime) -> None:
        self.events: list[RuntimeEvent] = []
        self.breaks = 0
        self._runtime = runtime

    @classmethod
    @contextlib.asynccontextmanager
    async def listening(cls, runtime: Runtime) -> AsyncIterator[Told]:
        told = cls(runtime)
        task = asyncio.create_task(told._listen())
        try:
            yield told
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    def of(self, kind: type[E], instance_id: InstanceId) -> list[E]:
        return [
            event
            for event in self.events
            if isinstance(event, kind) and getattr(event, "instance_id", None) == instance_id
        ]

    def resyncs(self) -> int:
        return sum(isinstance(event, Resync) for event in self.events)

    async def _listen(self) -> None:
        since = datetime.now(UTC)
        while True:
            try:
                async for event in self._runtime.events(since):
                    self.events.append(event)
                    since = getattr(event, "at", since)
            except Unavailable:
                self.breaks += 1
                await asyncio.sleep(AGAIN_S)


def end_keepers(engine: Engine) -> None:
    """They outlive everybody else."""
    for pid in keepers(engine).values():
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGTERM)


def hand(*argv: str) -> str:
    """What somebody types; it must succeed."""
    return subprocess.run(argv, capture_output=True, text=True, check=True).stdout


def kill(pid: int) -> None:
    assert pid, "there is no such process"
    os.kill(pid, signal.SIGKILL)
