"""Ports: refuses to publish one where nobody would be served, and waits for one to be let go of.

As root, Podman takes any address of the host, and lets whoever comes there wait for ever: it has no
proxy as Docker has, and the kernel carries a packet over IPv6 only to an instance that has such an
address itself, and never one from the loopback address.
"""

from __future__ import annotations

import asyncio
import ipaddress
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING

from ring.core.model.failures import FailureClass
from ring.runtimes import ownership
from ring.runtimes.base import RuntimeFailure
from ring.runtimes.docker import payload
from ring.runtimes.podman.information import is_rootless

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ring.core.model.ids import InstanceId
    from ring.runtimes.base import Order
    from ring.runtimes.docker.connection import Connection


CLEANED_UP_S = 5.0
_LOOK_S = 0.05
_LIVE = frozenset({"running", "paused", "stopping"})
_BEING_CLEANED = frozenset({"stopped", "removing"})
"""Of libpod's own states: `exited` is said once everything is cleaned up."""
_EVERYWHERE: frozenset[object] = frozenset({"", "0.0.0.0", "::", None})  # noqa: S104 - compared only


async def require_served(connection: Connection, order: Order) -> None:
    """Raises RuntimeFailure(INSTANCE_REJECTED), Unavailable."""
    asked = dict(_over_ipv6(order))
    if not asked or await is_rootless(connection):
        return
    network = ownership.network_mode(order.spec)
    has_ipv6 = any(address.version == 6 for address in await _subnets(connection, network))
    for published, address in asked.items():
        if address.is_loopback or not has_ipv6:
            raise RuntimeFailure(
                FailureClass.INSTANCE_REJECTED,
                f"port {published} cannot be published on {address}: Podman serves IPv6 only to "
                "networks that have it, and never on ::1; use an IPv4 address",
            )


async def await_ports(connection: Connection, instance_id: InstanceId) -> None:
    """Until no instance that has ended is still being cleaned up after, on the same ports.

    Podman closes a port before it takes its rules away, and netavark (1.4) keeps the rules that
    carry a connection from this machine itself, or from the same network, once for all instances of
    a network that have the port: those of the next would be taken away with those of the last. One
    that still lives may end at any moment, so nothing is begun beside it.

    What cannot be cleaned up holds nobody up for long. Raises RuntimeFailure(PORT_IN_USE),
    Unavailable.
    """
    for _ in range(round(CLEANED_UP_S / _LOOK_S)):
        held = await _held(connection, instance_id)
        for number, state in held:
            if state in _LIVE:
                raise RuntimeFailure(
                    FailureClass.PORT_IN_USE, f"port {number} is already allocated"
                )
        if not any(state in _BEING_CLEANED for _, state in held):
            return
        await asyncio.sleep(_LOOK_S)


async def _held(connection: Connection, instance_id: InstanceId) -> list[tuple[int, object]]:
    """The ports of this one that others were made with, and the states of those."""
    answer = await connection.call("GET", "/libpod/containers/json", query={"all": "true"})
    if answer.status != HTTPStatus.OK:
        return []
    told = payload.as_payloads(answer.json())
    wanted = [port for one in told if one.get("Id") == instance_id for port in _published(one)]
    return [
        (port.number, one.get("State"))
        for one in told
        if one.get("Id") != instance_id
        for port in _published(one)
        if any(port.is_in_the_way_of(other) for other in wanted)
    ]


@dataclass(frozen=True, slots=True)
class _Published:
    protocol: object
    number: int
    address: object

    def is_in_the_way_of(self, other: _Published) -> bool:
        if (self.protocol, self.number) != (other.protocol, other.number):
            return False
        return self.address == other.address or bool(_EVERYWHERE & {self.address, other.address})


def _published(told: payload.Payload) -> Iterator[_Published]:
    for port in payload.as_payloads(told.get("Ports") or []):
        first, count = port.get("host_port"), port.get("range")
        if isinstance(first, int) and isinstance(count, int):
            for number in range(first, first + max(count, 1)):
                yield _Published(port.get("protocol"), number, port.get("host_ip"))


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
