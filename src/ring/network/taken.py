"""The address ranges that something on this machine has: its routes and addresses, and the networks
that Kubernetes, CNI and Podman have configured.

Read from /proc, /etc and Ring's own state, so it costs a few small files and no program.
"""

from __future__ import annotations

import json
import os
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

BRIDGES: Final = "rbr-"
"""How the bridges of namespaces begin, whatever engine they are of."""
OURS: Final = ("ring-", BRIDGES)
"""How the interfaces begin that Ring makes."""
BETWEEN_OURS: Final = (*OURS, "ringbr-")
"""And those between which nothing is forwarded."""
KUBERNETES: Final = (IPv4Network("10.42.0.0/16"), IPv4Network("10.43.0.0/16"))
"""Pods and services of k3s and RKE2, also while nothing routes to them."""
CNI_CONF_DIR: Final = "/etc/cni/net.d"
"""What others have there is taken wherever Ring's own networks are configured: it is always read.
"""
RING_CONF_DIR: Final = "/var/lib/ring/cni/net.d"
"""Where Ring configures its own beside a Kubernetes, as long as nobody says otherwise."""

_RANCHER: Final = (
    "/etc/rancher/k3s",
    "/var/lib/rancher/k3s",
    "/etc/rancher/rke2",
    "/var/lib/rancher/rke2",
)
_PODMAN_NETWORKS: Final = "/etc/containers/networks"
"""A network of Podman's without containers that run has neither bridge nor route."""
_CONFLISTS: Final = frozenset({".conflist", ".conf", ".json"})
_OWN_CONFLISTS: Final = "99-ring_"
_PODMANS = re.compile(r"[0-9]+-podman(-bridge)?\.conflist")
_LEAF = re.compile(r"\|-- (\S+)")


class Taken(NamedTuple):
    range: IPv4Network
    what: str


def foreign(at: At = Path, cni_conf_dir: str = CNI_CONF_DIR) -> list[Taken]:
    """What is not Ring's. Raises OSError where /proc cannot be read.

    cni_conf_dir: read beside CNI's own, here and below.
    """
    return [*_on_interfaces(at), *_kubernetes(at, cni_conf_dir)]


def everything(at: At = Path, cni_conf_dir: str = CNI_CONF_DIR) -> list[IPv4Network]:
    """What a new subnet may not overlap, Ring's own ranges included. Raises OSError."""
    return [
        *(found for _, found in _routes(at)),
        *(IPv4Network(address) for address in _addresses(at)),
        *(one.range for one in _kubernetes(at, cni_conf_dir)),
        *_of_conflists(at, cni_conf_dir),
        *_of_podman(at),
    ]


def of_ring(at: At = Path, cni_conf_dir: str = CNI_CONF_DIR, *, but: str = "") -> list[IPv4Network]:
    """What networks of Ring's own on containerd have, with or without an interface.

    but: the name of one that is left out.
    """
    return [
        found
        for directory in _each_once(CNI_CONF_DIR, RING_CONF_DIR, cni_conf_dir)
        for path in _files(at, directory)
        if path.name.startswith(_OWN_CONFLISTS) and path.stem != f"99-{but}"
        for found in _given(path)
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
    """Interface and range; the default route is none that anything is lost to.

    The name of an interface may be of any bytes.
    """
    told = at("/proc/net/route").read_text(encoding="ascii", errors="replace")
    for line in filter(None, told.split("\n")[1:]):
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


def kubernetes_sign(at: At = Path, cni_conf_dir: str = CNI_CONF_DIR) -> str | None:
    """The path that tells of a Kubernetes, or of somebody else's CNI; None: there is none."""
    sign = next((path for path in _RANCHER if at(path).exists()), None)
    if sign is None:
        conflists = [
            f"{directory}/{path.name}"
            for directory in _each_once(CNI_CONF_DIR, cni_conf_dir)
            for path in _conflists(at, directory)
        ]
        # Podman's comes with its package, and says nothing of a Kubernetes.
        conflists.sort(key=lambda one: _PODMANS.fullmatch(Path(one).name) is not None)
        sign = next(iter(conflists), None)
    return sign


def _kubernetes(at: At, cni_conf_dir: str) -> Iterator[Taken]:
    sign = kubernetes_sign(at, cni_conf_dir)
    if sign is not None and not _PODMANS.fullmatch(Path(sign).name):
        for found in KUBERNETES:
            yield Taken(found, f"{found} of Kubernetes, which is on this machine ({sign})")


def _each_once(*directories: str) -> list[str]:
    """Each once, however it is written."""
    return list(dict.fromkeys(os.path.normpath(directory) for directory in directories))


def _conflists(at: At, directory: str) -> list[Path]:
    """Those of others, by name."""
    return [path for path in _files(at, directory) if not _is_ours(path.name)]


def _files(at: At, directory: str) -> list[Path]:
    try:
        paths = sorted(at(directory).iterdir())
    except OSError:
        return []
    return [path for path in paths if path.suffix in _CONFLISTS]


def _is_ours(name: str) -> bool:
    return name == "10-ring.conflist" or name.startswith(_OWN_CONFLISTS)


def _of_conflists(at: At, cni_conf_dir: str) -> Iterator[IPv4Network]:
    for directory in _each_once(CNI_CONF_DIR, cni_conf_dir):
        for path in _conflists(at, directory):
            yield from _given(path)


def _of_podman(at: At) -> Iterator[IPv4Network]:
    """Of root's, which are the machine's; those of others are in network namespaces of theirs."""
    for path in _files(at, _PODMAN_NETWORKS):
        yield from _given(path)


def _given(path: Path) -> list[IPv4Network]:
    """The subnets that it gives; one that cannot be read gives none."""
    try:
        return list(_subnets(json.loads(path.read_text(encoding="utf-8"))))
    except (OSError, ValueError, RecursionError):
        return []


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
