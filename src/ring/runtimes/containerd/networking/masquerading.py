"""Takes away what the bridge plugin leaves of an instance whose interface is gone already.

The plugin looks for the addresses on the interface, so without one it masquerades for them for
ever, and for whoever gets them next.
"""

from __future__ import annotations

import hashlib
import shlex
from typing import TYPE_CHECKING, Final

from ring.network import locks
from ring.runtimes.containerd.networking import iptables

if TYPE_CHECKING:
    from pathlib import Path

_TABLE: Final = "nat"
_CHAIN_BYTES: Final = 28
"""Longest name of a chain: utils.MaxChainLength of CNI's plugins."""


def chain_of(network: str, container_id: str) -> str:
    """What the plugin calls its chain for an instance: utils.FormatChainName of CNI's plugins."""
    digest = hashlib.sha512(f"{network}{container_id}".encode()).hexdigest()
    return f"CNI-{digest}"[:_CHAIN_BYTES]


def end(network: str, container_id: str, directory: Path) -> None:
    """Nothing there is success. Blocks. directory: whose lock is for this. Raises
    iptables.Failed, OSError."""
    chain = chain_of(network, container_id)
    with locks.alone_in(directory):
        found = iptables.rules(_TABLE)
        if chain not in found:
            return
        lines = [
            f"-D {caller} {rule}"
            for caller, rules in found.items()
            for rule in rules
            if shlex.split(rule)[-2:] == ["-j", chain]
        ]
        iptables.restore(_TABLE, [*lines, f"-F {chain}", f"-X {chain}"])
