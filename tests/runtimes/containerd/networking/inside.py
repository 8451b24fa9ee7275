"""One server's networks as they really are, on whatever network its process has.

Nothing of this needs containerd: an instance is a network namespace with a socket in it.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import os
import socket
import subprocess
import threading
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import dnslib
import pytest

from ring.core.model.ids import InstanceId
from ring.network import netns
from ring.network.keeper import Keeper
from ring.network.keeper.options import Options
from ring.network.pools import Pools
from ring.runtimes.base import RuntimeFailure
from ring.runtimes.containerd.networking import conflists
from ring.runtimes.containerd.networking.leased import LEASES
from ring.runtimes.containerd.networking.networks import Networks
from ring.runtimes.containerd.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from ring.core.model.failures import FailureClass
    from ring.runtimes.containerd.networking.published import Published

HOST: Final = "198.51.100.7"
"""An address of the host that is not of its loopback."""
PATIENCE_S: Final = 5.0
SHORT_S: Final = 0.5
"""Enough for what is a hop away; what is dropped is waited for as long."""
_libc = ctypes.CDLL(None, use_errno=True)


class Inside:
    """One server, and what others see of its networks."""

    def __init__(self, directory: Path, mark: str) -> None:
        self.directory = directory
        self.mark = mark
        self.settings = replace(
            Settings(),
            state_dir=directory / "state",
            run_dir=directory / "run",
            cni_conf_dir=directory / "conf",
        )
        self.keeper = Keeper(directory / "run" / "network", Options(linger_s=0.1))
        self.networks = self.server()
        self.joined: set[InstanceId] = set()
        self.namespaces: set[str] = set()

    def server(self, cni_path: str = "") -> Networks:
        return Networks(self.settings, Pools(), f"server-{self.mark}", self.keeper, cni_path)

    def id(self, name: str) -> InstanceId:
        return InstanceId(f"{self.mark}_{name}")

    def namespace(self, name: str) -> str:
        return f"{self.mark}{name}"

    async def join(
        self, namespace: str, name: str, *ports: Published, networks: Networks | None = None
    ) -> str:
        instance_id = self.id(name)
        self.joined.add(instance_id)
        self.namespaces.add(self.namespace(namespace))
        names = (name.partition("-")[0], instance_id)
        networks = networks or self.networks
        await networks.place(instance_id, self.namespace(namespace), ports, names)
        address = await networks.plug(instance_id, self.namespace(namespace), ports)
        assert address is not None
        return address

    async def leave(self, name: str) -> None:
        await self.networks.leave(self.id(name))

    async def end(self) -> None:
        server = self.server()
        for instance_id in self.joined:
            await server.leave(instance_id)
        for namespace in self.namespaces:
            with contextlib.suppress(RuntimeFailure):
                await server.remove(conflists.network_name(namespace))
        await self.keeper.close()

    def socket(self, name: str, kind: int = socket.SOCK_STREAM) -> socket.socket:
        """Of an instance."""
        return within(netns.path_of(self.id(name)), lambda: socket.socket(socket.AF_INET, kind))

    async def serve(self, name: str, port: int, says: bytes) -> asyncio.Server:
        async def answer(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(says)
            writer.close()

        listening = self.socket(name)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(("0.0.0.0", port))  # noqa: S104 - in a network of its own
        return await asyncio.start_server(answer, sock=listening)

    async def hears(self, name: str, address: str, port: int) -> bytes | None:
        """What the server there tells this instance; None: it cannot be reached."""
        return await heard(self.socket(name), address, port)

    async def resolved(self, name: str, asked: str, kind: str = "A") -> set[str] | None:
        """The addresses; None: it is no name of this network."""
        joined = self.networks.joined(self.id(name))
        assert joined is not None
        gateway = await self.networks.gateway(conflists.namespace_of(joined.network))
        with self.socket(name, socket.SOCK_DGRAM) as asking:
            asking.setblocking(False)
            asking.connect((gateway, 53))
            loop = asyncio.get_running_loop()
            await loop.sock_sendall(asking, dnslib.DNSRecord.question(asked, kind).pack())
            async with asyncio.timeout(PATIENCE_S):
                reply = dnslib.DNSRecord.parse(await loop.sock_recv(asking, 4096))
        if reply.header.rcode != dnslib.RCODE.NOERROR:
            return None
        return {str(answer.rdata) for answer in reply.rr}

    def leases(self, namespace: str) -> int:
        network = conflists.network_name(self.namespace(namespace))
        return len(list((LEASES / network).glob("*.*.*.*")))

    def left_of(self, name: str) -> str:
        """What this machine still has of an instance."""
        instance_id = self.id(name)
        tables = ("nat", "filter", "mangle")
        rules = "".join(run("iptables", "-w", "-t", table, "-S") for table in tables)
        found = [line for line in rules.splitlines() if instance_id in line]
        found += [str(path) for path in self.directory.rglob(f"*{instance_id}*")]
        if netns.path_of(instance_id).exists():
            found.append("netns")
        if run("ip", "-o", "link", "show", "type", "veth"):
            found.append("veth")
        return " ".join(found)


def known(*instances: InstanceId) -> Callable[[], Awaitable[tuple[InstanceId, ...]]]:
    async def tell() -> tuple[InstanceId, ...]:
        return instances

    return tell


def run(*command: str) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def begun(pid: int, name: str) -> None:
    """Returns once the process is this program."""
    while Path(f"/proc/{pid}/comm").read_text(encoding="ascii").strip() != name:
        os.sched_yield()


def within(path: Path, make: Callable[[], socket.socket]) -> socket.socket:
    """A socket of another network namespace, made in a thread that ends there."""
    made: list[socket.socket] = []

    def enter() -> None:
        opened = os.open(path, os.O_RDONLY)
        assert _libc.setns(opened, 0) == 0
        os.close(opened)
        made.append(make())

    thread = threading.Thread(target=enter)
    thread.start()
    thread.join()
    return made[0]


async def heard(calling: socket.socket, address: str, port: int) -> bytes | None:
    with calling:
        calling.setblocking(False)
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(SHORT_S):
                await loop.sock_connect(calling, (address, port))
                return await loop.sock_recv(calling, 100) or None
        except OSError:
            return None


async def host_hears(address: str, port: int) -> bytes | None:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    return await heard(socket.socket(family), address, port)


async def fails(waiting: Awaitable[Any], kind: FailureClass) -> str:
    with pytest.raises(RuntimeFailure) as caught:
        await waiting
    assert caught.value.failure.kind is kind, caught.value.message
    return caught.value.message
