"""`[server.network]`: where subnets and the bind addresses of ports come from."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from ipaddress import IPv4Network
from typing import TYPE_CHECKING

from ring.network.pools import DEFAULT_POOL, DEFAULT_PREFIX, DEFAULT_VM_POOL

if TYPE_CHECKING:
    from ring.settings.sources import Table

SMALLEST_PREFIX = 29
"""Its bits; a smaller subnet has no room for a gateway and a few instances."""
_VM_PREFIX = 16


@dataclass(frozen=True, slots=True)
class NetworkSettings:
    pool: IPv4Network = DEFAULT_POOL
    """What namespaces get their subnets from."""
    pool_is_set: bool = False
    """The file names it: then it is for engines with a pool of their own, too."""
    pool_prefix: int = DEFAULT_PREFIX
    vm_pool: IPv4Network = DEFAULT_VM_POOL
    """What each microVM gets its own little subnet from."""
    default_host_ip: str | None = None
    """None: all addresses of both families."""


def network(table: Table) -> NetworkSettings:
    """`[server.network]`. Raises UserError naming the key that cannot be."""
    pool = _range(table, "pool", DEFAULT_POOL)
    vm_pool = _range(table, "vm_pool", DEFAULT_VM_POOL)
    if vm_pool.prefixlen != _VM_PREFIX:
        raise table.wrong("vm_pool", "an IPv4 range of /16")
    if pool.overlaps(vm_pool):
        key = "pool" if "pool" in table else "vm_pool"
        other = vm_pool if key == "pool" else pool
        raise table.wrong(key, f"a range that does not overlap the other pool, {other}")
    return NetworkSettings(
        pool=pool,
        pool_is_set="pool" in table,
        pool_prefix=_prefix(table, pool),
        vm_pool=vm_pool,
        default_host_ip=_default_host_ip(table),
    )


def _range(table: Table, key: str, default: IPv4Network) -> IPv4Network:
    if key not in table:
        return default
    try:
        return IPv4Network(table.text(key).strip())
    except ValueError as error:
        raise table.wrong(key, f"an IPv4 range such as '{default}'") from error


def _prefix(table: Table, pool: IPv4Network) -> int:
    if "pool_prefix" not in table:
        return max(DEFAULT_PREFIX, pool.prefixlen)
    prefix = table.whole("pool_prefix")
    longest = max(SMALLEST_PREFIX, pool.prefixlen)
    if not pool.prefixlen <= prefix <= longest:
        raise table.wrong("pool_prefix", f"an integer from {pool.prefixlen} to {longest}")
    return prefix


def _default_host_ip(table: Table) -> str | None:
    if "default_host_ip" not in table:
        return None
    text = table.text("default_host_ip")
    try:
        return str(ipaddress.ip_address(text))
    except ValueError as error:
        raise table.wrong("default_host_ip", "an IPv4 or IPv6 address") from error
