"""Ring's own pool of subnets, for networks that no engine gives one to."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Network
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

DEFAULT_POOL: Final = IPv4Network("10.46.0.0/16")
DEFAULT_VM_POOL: Final = IPv4Network("10.42.0.0/16")
DEFAULT_PREFIX: Final = 24


@dataclass(frozen=True, slots=True)
class Pools:
    pool: IPv4Network = DEFAULT_POOL
    prefix: int = DEFAULT_PREFIX
    vm_pool: IPv4Network = DEFAULT_VM_POOL
    """Never given away here."""
    is_preferred: bool = False
    """Also where an engine has a pool of its own that is not used up."""

    def free(self, taken: Iterable[IPv4Network]) -> IPv4Network | None:
        """The first subnet that overlaps none of these; None: there is none left."""
        others = sorted(one for one in (*taken, self.vm_pool) if one.overlaps(self.pool))
        prefix = max(self.prefix, self.pool.prefixlen)
        size = 1 << (self.pool.max_prefixlen - prefix)
        start, last = (int(end) for end in (self.pool[0], self.pool[-1]))
        # From one taken range to the next, as they lie: a pool may have millions of subnets.
        for other in others:
            if int(other[0]) >= start + size:
                break
            if (after := int(other[-1]) + 1) > start:
                start += -(-(after - start) // size) * size
        return IPv4Network((start, prefix)) if start + size - 1 <= last else None
