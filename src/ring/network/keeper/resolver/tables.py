"""What one network's resolver knows by itself: names to addresses and back."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from ring.network.keeper.resolver import messages

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ring.network.keeper.resolver.messages import Query
    from ring.network.keeper.state import Zone

_T = TypeVar("_T")


@dataclass(slots=True)
class _Entry:
    v4: list[str]
    v6: list[str]
    turns: int = 0


class Table:
    """Of one zone."""

    def __init__(self, zone: Zone) -> None:
        """Raises ValueError for what is no address."""
        self._entries: dict[str, _Entry] = {}
        self._reverse: dict[str, list[str]] = {}
        self._subnets = [ipaddress.ip_network(subnet) for subnet in zone.subnets]
        self._own = frozenset(map(ipaddress.ip_address, zone.gateways))
        # An address is rather the container's name than that of all the replicas.
        for name, found in sorted(zone.records.items(), key=lambda record: len(record[1])):
            if _can_be_asked(name.rstrip(".")):
                self._add(name.rstrip("."), [ipaddress.ip_address(one) for one in found])

    def _add(
        self, name: str, found: Sequence[ipaddress.IPv4Address | ipaddress.IPv6Address]
    ) -> None:
        self._entries[name.lower()] = _Entry(
            [str(one) for one in found if one.version == 4],
            [str(one) for one in found if one.version == 6],
        )
        for one in found:
            self._reverse.setdefault(one.reverse_pointer, []).append(name)

    def admits(self, client: str) -> bool:
        """Whether this one is in the network, or the host asking itself."""
        address = ipaddress.ip_address(client.partition("%")[0])
        return address in self._own or any(address in subnet for subnet in self._subnets)

    def answer(self, query: Query, room: int) -> bytes | None:
        """None: this is not of the network, others are to be asked. room: bytes."""
        if not query.is_internet or not query.name:
            return None
        if (entry := self._entries.get(query.name)) is not None:
            entry.turns += query.kind in (messages.V4, messages.ANY)
            return _found(query, entry, room)
        if (known := self._reverse.get(query.name)) is not None:
            is_asked = query.kind in (messages.REVERSE, messages.ANY)
            return messages.names(query, known if is_asked else (), room)
        if self._is_in_network(query.name):
            return messages.no_such_name(query)
        return None

    def _is_in_network(self, name: str) -> bool:
        """A reverse name that nobody else can know."""
        address = _reversed(name)
        return address is not None and any(address in subnet for subnet in self._subnets)


def _can_be_asked(name: str) -> bool:
    """A label of up to 63 bytes between dots, 253 in all: RFC 1035 2.3.4."""
    return name.isascii() and len(name) <= 253 and all(0 < len(one) < 64 for one in name.split("."))


def _found(query: Query, entry: _Entry, room: int) -> bytes:
    v4 = entry.v4 if query.kind in (messages.V4, messages.ANY) else []
    v6 = entry.v6 if query.kind in (messages.V6, messages.ANY) else []
    return messages.addresses(query, _turned(v4, entry.turns), _turned(v6, entry.turns), room)


def _turned(addresses: list[_T], turns: int) -> list[_T]:
    start = turns % len(addresses) if addresses else 0
    return [*addresses[start:], *addresses[:start]]


def _reversed(name: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """The address of a full reverse name."""
    parts = name.split(".")
    try:
        if parts[4:] == ["in-addr", "arpa"]:
            return ipaddress.IPv4Address(".".join(reversed(parts[:4])))
        if parts[32:] == ["ip6", "arpa"] and all(len(part) == 1 for part in parts[:32]):
            return ipaddress.IPv6Address(int("".join(reversed(parts[:32])), 16))
    except ValueError:
        pass
    return None
