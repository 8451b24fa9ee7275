"""What `host-gateway` is for an instance: the gateway of the network it is created on."""

from __future__ import annotations

import ipaddress
from http import HTTPStatus
from typing import TYPE_CHECKING

from ring.core.model.failures import FailureClass
from ring.runtimes import ownership
from ring.runtimes.base import RuntimeFailure
from ring.runtimes.docker import failures, payload
from ring.runtimes.docker.options import HOST_GATEWAY

if TYPE_CHECKING:
    from ring.core.model.spec import DeploymentSpec
    from ring.runtimes.docker.connection import Connection
    from ring.runtimes.docker.payload import Payload


_HOST_ITSELF = "127.0.0.1"


async def gateway(connection: Connection, spec: DeploymentSpec, network: str) -> str | None:
    """Its address, IPv4 before IPv6; None: it is not asked for, or there is no such network.

    On the host's own network that is the host itself.

    Raises RuntimeFailure(NETWORK_FAILED), Unavailable.
    """
    if HOST_GATEWAY not in spec.extra_hosts.values():
        return None
    if network == ownership.HOST_NETWORK:
        return _HOST_ITSELF
    answer = await connection.call("GET", f"/networks/{network}")
    if answer.status == HTTPStatus.NOT_FOUND:
        return None
    if answer.status != HTTPStatus.OK:
        raise failures.unless_away(answer) or RuntimeFailure(
            FailureClass.NETWORK_FAILED, f"cannot look up network '{network}': {answer.message}"
        )
    ipam = payload.section(payload.as_payload(answer.json()), "IPAM")
    pools = payload.as_payloads(ipam.get("Config") or [])
    addresses = [address for pool in pools for address in _gateway(pool)]
    return next(iter(sorted(addresses, key=lambda address: ":" in address)), None)


def _gateway(pool: Payload) -> list[str]:
    """As told, else the first address: an engine leaves out what it chose for a given subnet."""
    told = pool.get("Gateway")
    if isinstance(told, str) and told:
        return [told.partition("/")[0]]
    subnet = pool.get("Subnet")
    if not isinstance(subnet, str):
        return []
    try:
        return [str(ipaddress.ip_network(subnet, strict=False)[1])]
    except (ValueError, IndexError):
        return []
