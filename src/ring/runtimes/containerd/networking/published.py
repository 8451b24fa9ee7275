"""Published ports: what the keeper holds and relays, and what the portmap plugin is told."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address, ip_address
from typing import TYPE_CHECKING, Any

from ring.network.keeper import Relay

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True, slots=True)
class Published:
    """One port of one instance."""

    host_ip: str | None
    """None: every address of the host, of both families."""
    published: int
    target: int
    protocol: str


def relays(ports: Sequence[Published], address: str = "") -> list[Relay]:
    """address: of the instance; empty: it has none yet, and its ports are only held."""
    return [
        Relay(port.host_ip, port.published, port.protocol, address, port.target) for port in ports
    ]


def mappings(ports: Sequence[Published]) -> list[dict[str, Any]]:
    """For instances that have IPv4 alone: what comes to an IPv6 address is relayed."""
    return [_mapping(port) for port in ports if _reaches_ipv4(port)]


def _reaches_ipv4(port: Published) -> bool:
    return port.host_ip is None or ip_address(port.host_ip).version == IPv4Address(0).version


def _mapping(port: Published) -> dict[str, Any]:
    mapping: dict[str, Any] = {
        "hostPort": port.published,
        "containerPort": port.target,
        "protocol": port.protocol,
    }
    if port.host_ip is not None and not ip_address(port.host_ip).is_unspecified:
        mapping["hostIP"] = port.host_ip
    return mapping
