"""A resolver for aiohttp that judges what it finds: what is connected to was judged for that very
attempt, however its name is answered the next time."""

from __future__ import annotations

import ipaddress
import socket
from typing import TYPE_CHECKING

from aiohttp.abc import AbstractResolver, ResolveResult

from ring.security import destinations

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from ring.engine.outbound.names import Names
    from ring.security.destinations import Address


class Judged(AbstractResolver):
    """Gives addresses to connect to, or none at all where one of them is out of bounds: a name
    that stands for both kinds is not an honest one."""

    def __init__(self, names: Names, blocks: Callable[[Address], bool]) -> None:
        self._names = names
        self._blocks = blocks

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        found = await self._names.addresses(host)
        for address in found:
            destinations.expect_allowed(address, self._blocks)
        return given(host, port, found)

    async def close(self) -> None:
        """Nothing is held."""


def given(host: str, port: int, found: Iterable[Address]) -> list[ResolveResult]:
    """Addresses as aiohttp takes them."""
    return [
        ResolveResult(
            hostname=host,
            host=str(address),
            port=port,
            family=_family(address),
            proto=0,
            flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV,
        )
        for address in found
    ]


def _family(address: Address) -> socket.AddressFamily:
    return socket.AF_INET if isinstance(address, ipaddress.IPv4Address) else socket.AF_INET6
