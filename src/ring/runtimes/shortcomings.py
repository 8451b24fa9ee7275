"""What an engine does not do for instances that it does run: to be told, not refused."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Protocol, runtime_checkable

NO_ISOLATION: Final = "network_isolation_unavailable"
NO_NAMES: Final = "network_dns_unavailable"
PORTS_RELAYED: Final = "network_ports_relayed"


@dataclass(frozen=True, slots=True)
class Shortcoming:
    reason: str
    """Of the event that tells it."""
    message: str
    """What it means for instances, why, and what to do."""


NAMELESS: Final = Shortcoming(
    NO_NAMES,
    "Instances do not find each other by name: the engine's network backend has no DNS; reach them "
    "by address, or give the engine one (aardvark-dns for netavark, dnsname for CNI)",
)


@runtime_checkable
class Shortcomings(Protocol):
    """A runtime whose networks may lack something."""

    def shortcomings(self, namespace: str) -> tuple[Shortcoming, ...]:
        """Of the namespace's network, from memory: it is known once the network is ensured."""
        ...
