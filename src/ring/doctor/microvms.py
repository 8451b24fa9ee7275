"""The groups of the virtual machine monitors: Cloud Hypervisor and Firecracker."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from ring.doctor import process
from ring.doctor.host import Host, in_path, program_runs
from ring.doctor.process import NET_ADMIN, NET_RAW, Process
from ring.doctor.report import Check, Probe, failed, passed, quick
from ring.settings.places import virtiofsd_candidates

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

LONGEST_SOCKET = 107
"""Bytes that the kernel takes for the path of a Unix socket."""
_LONGEST_NAME = {
    "cloud-hypervisor": len("ch-00000000-00000000.virtiofs-00.sock"),
    "firecracker": len("00000000-0000-0000-0000-000000000000-00000000.vsock_2376"),
}


@dataclass(frozen=True, slots=True)
class Machine:
    """One monitor as it is configured."""

    runtime: str
    options: Mapping[str, object]
    config_dir: Path
    server: Process

    def text(self, key: str, default: str) -> str:
        return str(self.options.get(key) or default)

    def path(self, key: str, name: str) -> str:
        """A configured path, else its place in the config directory."""
        return self.text(key, str(self.config_dir / self.runtime / name))

    @property
    def binary(self) -> str:
        return self.text("binary_path", self.runtime)

    @property
    def uses_nftables(self) -> bool:
        return self.text("port_forwarding", "socat") == "nftables"


def cloud_hypervisor(host: Host, machine: Machine) -> tuple[Probe, ...]:
    """The lines of its group."""
    wanted = (NET_ADMIN, NET_RAW)
    return (
        *_monitor(host, machine),
        quick(
            "Capabilities",
            lambda: process.capabilities(
                host,
                machine.server,
                wanted,
                binary=host.which(machine.binary),
                without="machines get no network card; ",
            ),
        ),
        Probe("xorriso", lambda: _xorriso(host)),
        Probe("socat", lambda: _socat(host, machine)),
        quick(
            "Firmware", lambda: _file("Firmware", host, machine.path("firmware_path", "vmlinux"))
        ),
        Probe("virtiofsd", lambda: _virtiofsd(host)),
        *_network(host, machine),
    )


def firecracker(host: Host, machine: Machine) -> tuple[Probe, ...]:
    """The lines of its group."""
    return (
        *_monitor(host, machine),
        quick(
            "Capabilities",
            lambda: process.capabilities(
                host,
                machine.server,
                (NET_ADMIN,),
                binary=None,
                without="VMs run without a network card, and ports fail; ",
            ),
        ),
        Probe("socat", lambda: _socat(host, machine)),
        quick("Kernel", lambda: _file("Kernel", host, machine.path("kernel_path", "vmlinux"))),
        quick("mke2fs", lambda: in_path(host, "mke2fs", "e2fsprogs")),
        *_network(host, machine),
    )


def _monitor(host: Host, machine: Machine) -> tuple[Probe, ...]:
    run = partial(program_runs, host, machine.binary, ("--version",), "not found in PATH")
    return (Probe(machine.binary, run), quick("KVM", lambda: _kvm(host)))


def _network(host: Host, machine: Machine) -> tuple[Probe, ...]:
    rules, package = ("nft", "nftables") if machine.uses_nftables else ("iptables", "iptables")
    probes: tuple[Probe, ...] = (
        quick("/dev/net/tun", lambda: _tun(host)),
        quick(rules, lambda: in_path(host, rules, package)),
        quick("socket path", lambda: _socket_path(machine)),
    )
    if process.unit_of(host, machine.server) is not None:
        probes = (*probes, Probe("KillMode", lambda: process.kill_mode(host, machine.server)))
    return probes


def _kvm(host: Host) -> Check:
    try:
        os.close(os.open(host.at("/dev/kvm"), os.O_RDWR | os.O_CLOEXEC))
    except FileNotFoundError:
        return failed("KVM", "/dev/kvm not found: turn virtualisation on in the firmware setup")
    except OSError as error:
        reason = (error.strerror or "refused").lower()
        return failed("KVM", f"/dev/kvm not accessible ({reason}): `sudo usermod -aG kvm $USER`")
    return passed("KVM", "/dev/kvm opens for reading and writing")


async def _xorriso(host: Host) -> Check:
    said = await host.ask("xorriso", "-version")
    version = f" (present: {said.first})" if said and said.code == 0 else ""
    return passed("xorriso", f"not needed, the seed is built in{version}")


async def _socat(host: Host, machine: Machine) -> Check:
    if machine.uses_nftables:
        return passed("socat", "not needed: ports are forwarded by nftables")
    said = await host.ask("socat", "-V")
    if said is None or said.code != 0:
        return failed("socat", "published ports are unreachable: install the package socat")
    return passed("socat", next((line for line in said.lines if "version" in line), said.first))


def _file(name: str, host: Host, path: str) -> Check:
    return passed(name, path) if host.at(path).exists() else failed(name, f"not found at {path}")


async def _virtiofsd(host: Host) -> Check:
    for candidate in virtiofsd_candidates(host.environ, root=host.root):
        place = os.fspath(host.at(candidate))
        said = await host.ask(place, "--version")
        if said is not None and said.code == 0:
            return passed("virtiofsd", f"{said.first} ({host.which(place)})")
    return failed("virtiofsd", "not found: volumes need it; install the package virtiofsd")


def _tun(host: Host) -> Check:
    if host.at("/dev/net/tun").exists():
        return passed("/dev/net/tun", "present")
    return failed("/dev/net/tun", "not found: `sudo modprobe tun`")


def _socket_path(machine: Machine) -> Check:
    directory = machine.path("socket_dir", "sockets")
    longest = len(os.fsencode(directory)) + 1 + _LONGEST_NAME[machine.runtime]
    if longest > LONGEST_SOCKET:
        return failed(
            "socket path",
            f"{directory} is too long: sockets in it would have up to {longest} bytes, and the "
            f"limit is {LONGEST_SOCKET}; set socket_dir",
        )
    return passed("socket path", directory)
