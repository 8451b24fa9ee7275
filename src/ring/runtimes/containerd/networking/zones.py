"""The names of a network's deployments and instances, as the keeper is told them."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from ring.network.keeper import Zone

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ring.network.cni.results import Record
    from ring.runtimes.containerd.networking.conflists import Network


def addresses(record: Record) -> tuple[str, ...]:
    """Those of the instance, without their prefixes, IPv4 first."""
    result = record.result or {}
    interfaces = result.get("interfaces", [])
    found = [
        str(one["address"]).partition("/")[0]
        for one in result.get("ips", [])
        if "interface" not in one or interfaces[one["interface"]].get("sandbox")
    ]
    return tuple(sorted(found, key=lambda address: ":" in address))


def zone(network: Network, records: Iterable[Record], deployed: Iterable[str] = ()) -> Zone:
    """records: of all that have joined the network. deployed: names that are known, whoever has
    them: one that nobody has now would be asked of servers outside, and denied for long.

    Whoever is not ready is left out of the names that others have too, unless nobody is ready.
    """
    holders: defaultdict[str, list[Record]] = defaultdict(list)
    for record in records:
        for name in record.names:
            holders[name].append(record)
    return Zone(
        gateways=(str(network.gateway),),
        subnets=(str(network.subnet),),
        records={name: _found(holders[name]) for name in sorted({*holders, *deployed})},
    )


def _found(holders: list[Record]) -> tuple[str, ...]:
    there = [one for one in holders if not one.is_gone and one.result is not None]
    ready = [one for one in there if one.is_ready]
    return tuple(sorted(address for one in ready or there for address in addresses(one)))
