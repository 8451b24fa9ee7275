"""The address ranges that something on this machine has: routes, addresses, Kubernetes, CNI.

Read from /proc and /etc, so it costs a few small files and no program.
"""

from __future__ import annotations

import json
import re
import socket
import struct
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    At = Callable[[str], Path]
    """Where an absolute path of the machine is found."""

OURS: Final = ("ring-", "rbr-")
"""How the interfaces begin that Ring makes."""
KUBERNETES: Final = (IPv4Network("10.42.0.0/16"), IPv4Network("10.43.0.0/16"))
"""Pods and services of k3s and RKE2, also while nothing routes to them."""
CNI_CONF_DIR: Final = "/etc/cni/net.d"

_RANCHER: Final = (
    "/etc/rancher/k3s",
    "/var/lib/rancher/k3s",
    "/etc/rancher/rke2",
    "/var/lib/rancher/rke2",
)
_CONFLISTS: Final = frozenset({".conflist", ".conf", ".json"})
_LEAF = re.compile(r"\|-- (\S+)")


class Taken(NamedTuple):
    range: IPv4Network
    what: str


def foreign(at: At = Path, cni_conf_dir: str = CNI_CONF_DIR) -> list[Taken]:
    """What is not Ring's. Raises OSError where /proc cannot be read."""
    return [*_on_interfaces(at), *_kubernetes(at, cni_conf_dir)]


def everything(at: At = Path, cni_conf_dir: str = CNI_CONF_DIR) -> list[IPv4Network]:
    """What a new subnet may not overlap, Ring's own ranges included. Raises OSError."""
    return [
        *(found for _, found in _routes(at)),
        *(IPv4Network(address) for address in _addresses(at)),
        *(one.range for one in _kubernetes(at, cni_conf_dir)),
        *_of_conflists(at, cni_conf_dir),
    ]


def _on_interfaces(at: At) -> Iterator[Taken]:
    routes = list(_routes(at))
    ours = [found for interface, found in routes if interface.startswith(OURS)]
    others = [(interface, found) for interface, found in routes if found not in ours]
    for interface, found in others:
        yield Taken(found, f"the route {found} on {interface}")
    known = [*ours, *(found for _, found in others)]
    for address in _addresses(at):
        if not any(address in found for found in known):
            yield Taken(IPv4Network(address), f"the address {address} of this machine")


def _routes(at: At) -> Iterator[tuple[str, IPv4Network]]:
    """Interface and range; the default route is none that anything is lost to."""
    for line in at("/proc/net/route").read_text(encoding="ascii").splitlines()[1:]:
        interface, destination, *_, mask = line.split()[:8]
        if int(mask, 16):
            yield interface, IPv4Network(f"{_address(destination)}/{_address(mask)}")


def _address(raw: str) -> str:
    """An address as the kernel prints it: one word in the machine's byte order."""
    return socket.inet_ntoa(struct.pack("=I", int(raw, 16)))


def _addresses(at: At) -> set[IPv4Address]:
    found = set()
    leaf = ""
    for line in at("/proc/net/fib_trie").read_text(encoding="ascii").splitlines():
        if match := _LEAF.search(line):
            leaf = match[1]
        elif line.strip() == "/32 host LOCAL":
            found.add(IPv4Address(leaf))
    return {address for address in found if not address.is_loopback}


def _kubernetes(at: At, cni_conf_dir: str) -> Iterator[Taken]:
    sign = next((path for path in _RANCHER if at(path).exists()), None)
    if sign is None:
        names = [path.name for path in _conflists(at, cni_conf_dir)]
        sign = f"{cni_conf_dir}/{names[0]}" if names else None
    if sign is not None:
        for found in KUBERNETES:
            yield Taken(found, f"{found} of Kubernetes, which is on this machine ({sign})")


def _conflists(at: At, directory: str) -> list[Path]:
    """Those of others, by name."""
    try:
        paths = sorted(at(directory).iterdir())
    except OSError:
        return []
    return [path for path in paths if path.suffix in _CONFLISTS and not _is_ours(path.name)]


def _is_ours(name: str) -> bool:
    return name == "10-ring.conflist" or name.startswith("99-ring_")


def _of_conflists(at: At, directory: str) -> Iterator[IPv4Network]:
    """The subnets that they give; one that cannot be read gives none."""
    for path in _conflists(at, directory):
        try:
            yield from _subnets(json.loads(path.read_text(encoding="utf-8")))
        except (OSError, ValueError, RecursionError):
            continue


def _subnets(value: object) -> Iterator[IPv4Network]:
    if isinstance(value, list):
        for item in value:
            yield from _subnets(item)
    elif isinstance(value, dict):
        for key, item in value.items():
            if key == "subnet" and isinstance(item, str) and ":" not in item:
                yield IPv4Network(item, strict=False)
            else:
                yield from _subnets(item)
