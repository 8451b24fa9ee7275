"""Where a new network's subnet comes from: the engine's own pool, or Ring's when that is used up.

What is taken from Ring's pool stands in the engine's network itself, for as long as that exists.
"""

from __future__ import annotations

import asyncio
import re
from http import HTTPStatus
from ipaddress import IPv4Network
from typing import TYPE_CHECKING, Final

from ring.core.model.failures import FailureClass
from ring.network import taken
from ring.runtimes.base import RuntimeFailure
from ring.runtimes.docker import failures, payload

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ring.network.pools import Pools
    from ring.runtimes.docker.connection import Answer, Connection
    from ring.runtimes.docker.payload import Payload

_USED_UP = re.compile(
    r"could not find an available, non-overlapping|fully subnetted|could not find free subnet"
)
_OVERLAPS = re.compile(r"overlap")
_MOST_TRIES: Final = 16


class Subnets:
    """Creates networks, each with a subnet of its own."""

    def __init__(self, connection: Connection, pools: Pools, *, is_here: bool) -> None:
        """is_here: what this machine has is what the engine's host has."""
        self._connection = connection
        self._pools = pools
        self._is_here = is_here
        self._choosing = asyncio.Lock()

    async def create(self, body: Payload) -> Answer:
        """Of `POST /networks/create`. Raises RuntimeFailure(NETWORK_FAILED), Unavailable."""
        if not self._pools.is_preferred:
            answer = await self._create(body)
            if not _USED_UP.search(answer.message):
                return answer
        async with self._choosing:
            return await self._create_in_pool(body)

    async def _create_in_pool(self, body: Payload) -> Answer:
        known = [*await self._of_engine(), *await self._of_machine()]
        for _ in range(_MOST_TRIES):
            subnet = self._pools.free(known)
            if subnet is None:
                break
            answer = await self._create({**body, **_in(subnet)})
            if answer.status < HTTPStatus.BAD_REQUEST or not _OVERLAPS.search(answer.message):
                return answer
            known.append(subnet)  # somebody took it in between, or the engine knows of more
        raise RuntimeFailure(
            FailureClass.NETWORK_FAILED,
            f"cannot create network '{body['Name']}': no subnet of /{self._pools.prefix} is free "
            f"in {self._pools.pool}; remove networks that nobody needs, or set another pool in "
            "[server.network]",
        )

    async def _create(self, body: Payload) -> Answer:
        return await self._connection.call("POST", "/networks/create", body=body)

    async def _of_engine(self) -> list[IPv4Network]:
        answer = await self._connection.call("GET", "/networks")
        if answer.status != HTTPStatus.OK:
            raise failures.unless_away(answer) or RuntimeFailure(
                FailureClass.NETWORK_FAILED, f"cannot look up networks: {answer.message}"
            )
        return [
            subnet for network in payload.as_payloads(answer.json()) for subnet in _subnets(network)
        ]

    async def _of_machine(self) -> list[IPv4Network]:
        if not self._is_here:
            return []
        try:
            # Networks on containerd have no bridge after the machine's start until they are used.
            return [
                *await asyncio.to_thread(taken.everything),
                *await asyncio.to_thread(taken.of_ring),
            ]
        except (OSError, ValueError) as error:
            raise RuntimeFailure(
                FailureClass.NETWORK_FAILED,
                f"cannot tell which subnets are free on this machine: {error}",
            ) from error


def _in(subnet: IPv4Network) -> dict[str, object]:
    config = {"Subnet": f"{subnet}", "Gateway": f"{subnet[1]}"}
    return {"IPAM": {"Driver": "default", "Config": [config]}}


def _subnets(network: Payload) -> Iterator[IPv4Network]:
    config = payload.section(network, "IPAM").get("Config") or []
    for entry in payload.as_payloads(config):
        written = entry.get("Subnet")
        if isinstance(written, str) and ":" not in written:
            try:
                yield IPv4Network(written, strict=False)
            except ValueError:
                continue
