"""The CNI configuration of a namespace's network: one file, `99-ring_<namespace>.conflist`.

99, because a Kubernetes node takes the first file of the directory as the network of its pods.
"""

from __future__ import annotations

import copy
import hashlib
import json
import os
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    Document = dict[str, Any]

NETWORK_PREFIX: Final = "ring_"
TEMPLATE: Final = "10-ring.conflist"
"""An operator's: its plugins are taken, and what tells networks apart is put in its place."""
BRIDGE: Final = "bridge"
_VERSION: Final = "1.0.0"
_HASH_DIGITS: Final = 11
"""What the kernel's limit of an interface's name leaves."""
_MARK: Final = ".conflist"
_ORDER: Final = "99-"


@dataclass(frozen=True, slots=True)
class Network:
    name: str
    """`ring_<namespace>`"""
    bridge: str
    subnet: IPv4Network
    gateway: IPv4Address
    config: Document
    """The whole configuration."""

    @property
    def plugins(self) -> list[Document]:
        return list(self.config["plugins"])


def network_name(namespace: str) -> str:
    return NETWORK_PREFIX + namespace


def namespace_of(network: str) -> str:
    return network.removeprefix(NETWORK_PREFIX)


def bridge_name(network: str) -> str:
    return f"rbr-{hashlib.sha256(network.encode()).hexdigest()[:_HASH_DIGITS]}"


def path_of(directory: Path, network: str) -> Path:
    return directory / f"{_ORDER}{network}{_MARK}"


def names(directory: Path) -> list[str]:
    """The networks that have a file there."""
    found = sorted(path.name for path in directory.glob(f"{_ORDER}{NETWORK_PREFIX}*{_MARK}"))
    return [name.removeprefix(_ORDER).removesuffix(_MARK) for name in found]


def composed(network: str, subnet: IPv4Network, directory: Path, *, mtu_bytes: int) -> Network:
    """By the template that is in the directory, else as Ring has it: mtu_bytes is for the latter.

    Raises OSError, ValueError: there is a template, and none can be made of it.
    """
    try:
        text = (directory / TEMPLATE).read_text(encoding="utf-8")
    except FileNotFoundError:
        return _network(_usual(network, subnet, mtu_bytes))
    try:
        return _network(_filled(json.loads(text), network, subnet))
    except (LookupError, TypeError, AttributeError, RecursionError, ValueError) as error:
        raise ValueError(f"{directory / TEMPLATE} is no template of a network: {error}") from error


def read(directory: Path, network: str) -> Network | None:
    """None: there is none. Raises OSError, ValueError: what is there is none."""
    path = path_of(directory, network)
    try:
        found = _network(json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        return None
    except (LookupError, TypeError, AttributeError, RecursionError, ValueError) as error:
        raise ValueError(f"{path} is no configuration of a network: {error}") from error
    if found.name != network:
        raise ValueError(f"{path} is the configuration of another network, '{found.name}'")
    return found


def write(directory: Path, network: Network) -> None:
    """Whole or not at all. Raises OSError."""
    path = path_of(directory, network.name)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.write_text(json.dumps(network.config, indent=2) + "\n", encoding="utf-8")
    temporary.replace(path)


def _usual(network: str, subnet: IPv4Network, mtu_bytes: int) -> Document:
    return {
        "cniVersion": _VERSION,
        "name": network,
        "plugins": [
            {
                "type": BRIDGE,
                BRIDGE: bridge_name(network),
                "isGateway": True,
                "ipMasq": True,
                "hairpinMode": True,
                "mtu": mtu_bytes,
                "ipam": {
                    "type": "host-local",
                    "ranges": _ranges(subnet),
                    "routes": [{"dst": "0.0.0.0/0"}],
                },
            },
            {"type": "portmap", "capabilities": {"portMappings": True}, "snat": True},
            {"type": "firewall", "ingressPolicy": "same-bridge"},
        ],
    }


def _ranges(subnet: IPv4Network) -> list[list[dict[str, str]]]:
    return [[{"subnet": str(subnet), "gateway": str(subnet[1])}]]


def _filled(template: Document, network: str, subnet: IPv4Network) -> Document:
    config = copy.deepcopy(template)
    config["name"] = network
    config.setdefault("cniVersion", _VERSION)
    plugin = _bridge_of(config)
    plugin[BRIDGE] = bridge_name(network)
    plugin["ipam"].pop("subnet", None)
    plugin["ipam"].pop("gateway", None)
    plugin["ipam"]["ranges"] = _ranges(subnet)
    return config


def _bridge_of(config: Document) -> Document:
    found: Iterator[Document] = (one for one in config["plugins"] if one["type"] == BRIDGE)
    plugin = next(found, None)
    if plugin is None:
        raise ValueError(f"none of its plugins is {BRIDGE}")
    return plugin


def _network(config: Document) -> Network:
    """Raises LookupError, TypeError, ValueError for what plugins cannot be run by."""
    for one in config["plugins"]:
        if not isinstance(one["type"], str) or not isinstance(one.get("ipam", {}), dict):
            raise TypeError("a plugin needs a 'type', and its 'ipam' is an object")
    config.setdefault("cniVersion", _VERSION)
    plugin = _bridge_of(config)
    ipam = plugin["ipam"]
    given = ipam["ranges"][0][0] if "ranges" in ipam else ipam
    subnet = IPv4Network(given["subnet"], strict=False)
    gateway = IPv4Address(given.get("gateway") or subnet[1])
    return Network(str(config["name"]), str(plugin[BRIDGE]), subnet, gateway, config)
