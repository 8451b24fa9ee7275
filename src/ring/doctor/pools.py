"""Whether the address pools are free on this machine."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ring.doctor.report import Check, failed, passed
from ring.network import taken

if TYPE_CHECKING:
    from ring.doctor.host import Host
    from ring.settings.network import NetworkSettings

NAME = "address pools"


def address_pools(host: Host, network: NetworkSettings, cni_conf_dir: str) -> Check:
    """Whether neither pool overlaps what is not Ring's."""
    foreign = taken.foreign(host.at, cni_conf_dir)
    overlaps = [
        f"{key} {pool} overlaps {found.what}: set {key} in [server.network]"
        for key, pool in (("pool", network.pool), ("vm_pool", network.vm_pool))
        for found in foreign
        if found.range.overlaps(pool)
    ]
    if overlaps:
        return failed(NAME, "; ".join(overlaps))
    return passed(NAME, f"pool {network.pool} and vm_pool {network.vm_pool} are free")
