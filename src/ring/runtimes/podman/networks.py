"""What Podman does not give a namespace's network by itself, and what it lacks in the end."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING

from ring.runtimes.docker import payload
from ring.runtimes.podman.isolation import keep_apart
from ring.runtimes.shortcomings import NAMELESS, NO_ISOLATION, Shortcoming

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ring.runtimes.docker.connection import Connection


async def completed(connection: Connection, network: str) -> tuple[Shortcoming, ...]:
    """See Dialect.completed. Raises Unavailable."""
    answer = await connection.call("GET", f"/libpod/networks/{network}/json")
    if answer.status != HTTPStatus.OK:
        return tuple(_apart(network, f"the engine does not tell its bridge: {answer.message}"))
    told = payload.as_payload(answer.json())
    trouble = await keep_apart(connection.endpoint, told.get("network_interface"))
    names = () if told.get("dns_enabled", True) else (NAMELESS,)
    return (*_apart(network, trouble), *names)


def _apart(network: str, trouble: str) -> Iterator[Shortcoming]:
    if trouble:
        yield Shortcoming(
            NO_ISOLATION,
            f"{network} may be reached from other networks when Podman's backend does not isolate "
            f"it, and Ring cannot: {trouble}",
        )
