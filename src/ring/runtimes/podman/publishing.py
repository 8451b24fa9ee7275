"""Refuses to publish a port where nobody would be served.

As root, Podman takes any address of the host, and lets whoever comes there wait for ever: it has no
proxy as Docker has, and the kernel carries a packet over IPv6 only to an instance that has such an
address itself, and never one from the loopback address.
"""

from __future__ import annotations

import ipaddress
from http import HTTPStatus
from typing import TYPE_CHECKING

from ring.core.model.failures import FailureClass
from ring.runtimes.base import RuntimeFailure
from ring.runtimes.docker import mapping, payload
from ring.runtimes.podman.information import is_rootless

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ring.runtimes.base import Order
    from ring.runtimes.docker.connection import Connection


async def require_served(connection: Connection, order: Order) -> None:
    """Raises RuntimeFailure(INSTANCE_REJECTED), Unavailable."""
    asked = dict(_over_ipv6(order))
    if not asked or await is_rootless(connection):
        return
    network = mapping.network_mode(order.spec)
    has_ipv6 = any(address.version == 6 for address in await _subnets(connection, network))
    for published, address in asked.items():
        if address.is_loopback or not has_ipv6:
            raise RuntimeFailure(
                FailureClass.INSTANCE_REJECTED,
                f"port {published} cannot be published on {address}: Podman serves IPv6 only to "
                "networks that have it, and never on ::1; use an IPv4 address",
            )


def _over_ipv6(order: Order) -> Iterator[tuple[int, ipaddress.IPv6Address]]:
    for port in order.spec.ports:
        address = port.host_ip or order.default_host_ip or ""
        if ":" in address:
            yield port.published, ipaddress.IPv6Address(address)


async def _subnets(
    connection: Connection, network: str
) -> list[ipaddress.IPv4Network | ipaddress.IPv6Network]:
    answer = await connection.call("GET", f"/networks/{network}")
    if answer.status != HTTPStatus.OK:
        return []
    ipam = payload.section(payload.as_payload(answer.json()), "IPAM")
    pools = payload.as_payloads(ipam.get("Config") or [])
    return [ipaddress.ip_network(payload.text(pool, "Subnet"), strict=False) for pool in pools]
