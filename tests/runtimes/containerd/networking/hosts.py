"""A host whose plugins are the test's own, and a server on it: what joins there and leaves.

What plugins do for real, test_networks_on_host looks at.
"""

from __future__ import annotations

import subprocess
import uuid
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from ring.core.model.ids import InstanceId
from ring.network.keeper import Keeper, PortTaken
from ring.network.pools import Pools
from ring.runtimes.containerd.networking.networks import Networks
from ring.runtimes.containerd.networking.published import Published
from ring.runtimes.containerd.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator, Sequence
    from pathlib import Path

    from ring.network.keeper import Relay, Zone

PLUGIN: Final = """\
#!/bin/sh
echo "$CNI_COMMAND ${{0##*/}} $CNI_CONTAINERID $CNI_NETNS" >>{directory}/calls
cat >/dev/null
if [ -e {directory}/broken-$CNI_COMMAND ]; then echo '{{"code": 7, "msg": "broken"}}'; exit 1; fi
echo '{{"interfaces": [{{"name": "lo"}}, {{"name": "eth0", "sandbox": "x"}}],
 "ips": [{{"address": "198.18.64.'$$'/24", "interface": 1}}]}}'
"""
HTTP: Final = Published(None, 8080, 80, "tcp")


class NotedKeeper(Keeper):
    """Without a program."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self.published: dict[str, list[Relay]] = {}
        self.zones: dict[str, Zone] = {}
        self.wrong: Exception | None = None

    async def publish(self, holder: str, relays: Sequence[Relay]) -> None:
        self._fail()
        if any(holder != other for other in self.published):
            raise PortTaken(relays[0].published, relays[0].protocol, next(iter(self.published)))
        self.published[holder] = list(relays)

    async def unpublish(self, holder: str) -> None:
        self._fail()
        self.published.pop(holder, None)

    async def zone(self, network: str, zone: Zone) -> None:
        self._fail()
        self.zones[network] = zone

    async def forget(self, network: str) -> None:
        self._fail()
        self.zones.pop(network, None)

    async def holders(self) -> tuple[str, ...]:
        return tuple(self.published)

    def _fail(self) -> None:
        if self.wrong is not None:
            raise self.wrong


class Host:
    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.settings = replace(
            Settings(),
            state_dir=directory / "state",
            run_dir=directory / "run",
            cni_conf_dir=directory / "conf",
        )
        self.keeper = NotedKeeper(directory / "run")
        self.mark = f"t{uuid.uuid4().hex[:8]}"
        for name in ("bridge", "host-local", "portmap", "firewall"):
            self._program(name, PLUGIN.format(directory=directory))
        self._program("iptables", 'printf -- "-P FORWARD ACCEPT\\n"')
        self._program("iptables-restore", "cat >/dev/null")
        self.networks = self.server()

    def _program(self, name: str, text: str) -> None:
        path = self.directory / name
        path.write_text(text if text.startswith("#!") else f"#!/bin/sh\n{text}\n")
        path.chmod(0o755)

    def server(self, server_id: str = "one") -> Networks:
        return Networks(
            self.settings, Pools(), server_id, self.keeper, cni_path=str(self.directory)
        )

    def id(self, number: int = 1) -> InstanceId:
        return InstanceId(f"{self.mark}_web_{number}")

    async def join(self, number: int = 1, *ports: Published) -> str | None:
        await self.networks.place(self.id(number), "shop", ports, ("web", self.id(number)))
        return await self.networks.plug(self.id(number), "shop", ports)

    @contextmanager
    def running(self) -> Iterator[int]:
        """The process of a program in a network namespace of its own."""
        program = subprocess.Popen(
            ("unshare", "--net", "sh", "-c", "echo; exec cat"),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        with program:
            assert program.stdout is not None
            program.stdout.readline()
            yield program.pid
            program.communicate()

    def calls(self) -> list[str]:
        path = self.directory / "calls"
        lines = path.read_text().splitlines() if path.exists() else []
        path.unlink(missing_ok=True)
        return [" ".join(line.split()[:2]) for line in lines]

    def breaks(self, command: str) -> None:
        (self.directory / f"broken-{command}").touch()

    def mends(self, command: str) -> None:
        (self.directory / f"broken-{command}").unlink()

    def results(self) -> list[str]:
        return [path.stem for path in (self.directory / "state/cni/results").glob("*.json")]


ADDED: Final = ["ADD bridge", "ADD portmap", "ADD firewall"]
DELETED: Final = ["DEL firewall", "DEL portmap", "DEL bridge"]


def known(*instances: InstanceId) -> Callable[[], Awaitable[tuple[InstanceId, ...]]]:
    async def tell() -> tuple[InstanceId, ...]:
        return instances

    return tell
