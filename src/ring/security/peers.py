"""Who counts as one peer: an address stands for all that its holder can take."""

from __future__ import annotations

import ipaddress

LOOPBACK = "loopback"
"""Every loopback address: they are all one machine."""
_V6_HOST_BITS = 64
"""Of an IPv6 address; the least that a network hands out, each free to choose them."""


def peer_of(address: str) -> str:
    """One name for all addresses of one holder; what is no address stands for itself."""
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(found, ipaddress.IPv6Address):
        found = found.ipv4_mapped or found
    if found.is_loopback:
        return LOOPBACK
    if isinstance(found, ipaddress.IPv4Address):
        return str(found)
    network = int(found) >> _V6_HOST_BITS << _V6_HOST_BITS
    return f"{ipaddress.IPv6Address(network)}/{128 - _V6_HOST_BITS}"
