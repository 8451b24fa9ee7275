"""Names and published ports, kept by a program beside the server that outlives it.

What containerd's instances have of Ring while the server is down: a resolver on the gateway of each
bridge, and a relay for each published port, which also holds it against others. The program is
`program`, started by whoever first needs it; `Keeper` is how the server speaks to it.
"""

from __future__ import annotations

from ring.network.keeper.client import Keeper
from ring.network.keeper.problems import KeeperProblem, PortTaken
from ring.network.keeper.state import Relay, Zone

__all__ = ["Keeper", "KeeperProblem", "PortTaken", "Relay", "Zone"]
