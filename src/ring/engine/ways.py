"""The way to a port inside an instance: over this machine's own network, from inside the instance's
own, or, where neither leads there, by a port that it publishes here.
"""

from __future__ import annotations

import socket
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ring.runtimes.base import Inside, RuntimeFailure

if TYPE_CHECKING:
    from ring.core.model.ids import InstanceId
    from ring.core.model.spec import DeploymentSpec
    from ring.runtimes.base import Runtime

HERE = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class Way:
    """Where to connect to, and with what."""

    address: str
    port: int
    socket: socket.socket | None = None
    """In the instance's network, to be connected and closed by whoever has it; None: any will
    do."""


async def way(
    runtime: Runtime,
    spec: DeploymentSpec,
    instance_id: InstanceId,
    address: str,
    port: int,
    *,
    only_named: bool = False,
) -> Way:
    """To this port of the instance with this address. Raises Gone, RuntimeFailure.

    only_named: by no published port that leaves its address to a setting, which may be another one
    than here, and here anybody's.
    """
    if not isinstance(runtime, Inside):
        return Way(address, port)
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    try:
        return Way(address, port, await runtime.socket(instance_id, family))
    except RuntimeFailure:
        if (published := _published(spec, port, only_named=only_named)) is None:
            raise
        return published


def _published(spec: DeploymentSpec, port: int, *, only_named: bool) -> Way | None:
    """None where several instances have it, too: it would lead to any of them."""
    for one in spec.ports:
        if only_named and one.host_ip is None:
            continue
        if one.target == port and one.protocol == "tcp" and spec.replicas == 1:
            return Way(_near(one.host_ip), one.published)
    return None


def _near(host_ip: str | None) -> str:
    """Everything is bound here, too."""
    return HERE if host_ip in {None, "0.0.0.0", "::"} else host_ip or HERE  # noqa: S104 - compared
