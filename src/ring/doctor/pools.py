"""Whether the address pools are free on this machine: its routes, its addresses, Kubernetes."""

from __future__ import annotations

import re
import socket
import struct
from ipaddress import IPv4Address, IPv4Network
from typing import TYPE_CHECKING, NamedTuple

from ring.doctor.report import Check, failed, passed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ring.doctor.host import Host
    from ring.settings.network import NetworkSettings

NAME = "address pools"
OURS = ("ring-", "rbr-")
"""How the interfaces begin that Ring makes."""
KUBERNETES = (IPv4Network("10.42.0.0/16"), IPv4Network("10.43.0.0/16"))
"""Pods and services of k3s and RKE2, also while nothing routes to them."""

_RANCHER = (
    "/etc/rancher/k3s",
    "/var/lib/rancher/k3s",
    "/etc/rancher/rke2",
    "/var/lib/rancher/rke2",
)
_CONFLISTS = frozenset({".conflist", ".conf", ".json"})
_LEAF = re.compile(r"\|-- (\S+)")


class Taken(NamedTuple):
    range: IPv4Network
    what: str


def address_pools(host: Host, network: NetworkSettings, cni_conf_dir: str) -> Check:
    """Whether neither pool overlaps what is not Ring's."""
    taken = [*_taken(host), *_kubernetes(host, cni_conf_dir)]
    overlaps = [
        f"{key} {pool} overlaps {found.what}: set {key} in [server.network]"
        for key, pool in (("pool", network.pool), ("vm_pool", network.vm_pool))
        for found in taken
        if found.range.overlaps(pool)
    ]
    if overlaps:
        return failed(NAME, "; ".join(overlaps))
    return passed(NAME, f"pool {network.pool} and vm_pool {network.vm_pool} are free")


def _taken(host: Host) -> Iterator[Taken]:
    routes = list(_routes(host))
    ours = [found for interface, found in routes if interface.startswith(OURS)]
    foreign = [(interface, found) for interface, found in routes if found not in ours]
    for interface, found in foreign:
        yield Taken(found, f"the route {found} on {interface}")
    known = [*ours, *(found for _, found in foreign)]
    for address in _addresses(host):
        if not any(address in found for found in known):
            yield Taken(IPv4Network(address), f"the address {address} of this machine")


def _routes(host: Host) -> Iterator[tuple[str, IPv4Network]]:
    """Interface and range; the default route is none that anything is lost to."""
    for line in host.at("/proc/net/route").read_text(encoding="ascii").splitlines()[1:]:
        interface, destination, *_, mask = line.split()[:8]
        if int(mask, 16):
            yield interface, IPv4Network(f"{_address(destination)}/{_address(mask)}")


def _address(raw: str) -> str:
    """An address as the kernel prints it: one word in the machine's byte order."""
    return socket.inet_ntoa(struct.pack("=I", int(raw, 16)))


def _addresses(host: Host) -> set[IPv4Address]:
    found = set()
    leaf = ""
    for line in host.at("/proc/net/fib_trie").read_text(encoding="ascii").splitlines():
        if match := _LEAF.search(line):
            leaf = match[1]
        elif line.strip() == "/32 host LOCAL":
            found.add(IPv4Address(leaf))
    return {address for address in found if not address.is_loopback}


def _kubernetes(host: Host, cni_conf_dir: str) -> Iterator[Taken]:
    sign = next((path for path in _RANCHER if host.at(path).exists()), None)
    sign = sign or _foreign_conflist(host, cni_conf_dir)
    if sign is not None:
        for found in KUBERNETES:
            yield Taken(found, f"{found} of Kubernetes, which is on this machine ({sign})")


def _foreign_conflist(host: Host, directory: str) -> str | None:
    try:
        names = sorted(path.name for path in host.at(directory).iterdir())
    except OSError:
        return None
    for name in names:
        _, dot, ending = name.rpartition(".")
        ours = name == "10-ring.conflist" or name.startswith("99-ring_")
        if f"{dot}{ending}" in _CONFLISTS and not ours:
            return f"{directory}/{name}"
    return None
