"""What Podman does not give a namespace's network by itself, and what it lacks in the end."""

from __future__ import annotations

import re
from http import HTTPStatus
from typing import TYPE_CHECKING

from ring.runtimes.docker import payload
from ring.runtimes.docker.dialect import Completed
from ring.runtimes.podman.isolation import keep_apart, not_ours
from ring.runtimes.shortcomings import NAMELESS, NO_ISOLATION, Shortcoming

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ring.runtimes.docker.connection import Connection

_INTERFACE = re.compile("[A-Za-z0-9_-]{1,15}")


async def completed(connection: Connection, network: str) -> Completed:
    """See Dialect.completed. Raises Unavailable."""
    answer = await connection.call("GET", f"/libpod/networks/{network}/json")
    if answer.status != HTTPStatus.OK:
        why = f"the engine does not tell its bridge: {answer.message}"
        return Completed(tuple(_apart(network, why)))
    told = payload.as_payload(answer.json())
    bridge, trouble = told.get("network_interface"), await not_ours(connection.endpoint)
    if not isinstance(bridge, str) or not _INTERFACE.fullmatch(bridge):
        bridge, trouble = "", trouble or "the engine does not tell its bridge"
    names = () if told.get("dns_enabled", True) else (NAMELESS,)
    trouble = trouble or await keep_apart(bridge)
    kept = bridge if connection.endpoint.socket is not None else ""
    return Completed((*_apart(network, trouble), *names), kept)


def _apart(network: str, trouble: str) -> Iterator[Shortcoming]:
    if trouble:
        yield Shortcoming(
            NO_ISOLATION,
            f"{network} may be reached from other networks when Podman's backend does not isolate "
            f"it, and Ring cannot: {trouble}",
        )
