"""What the keeper answers in each network: kept as its deployments are, and the records of its
instances."""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict
from typing import TYPE_CHECKING

from ring.network.keeper import KeeperProblem
from ring.runtimes.containerd.networking import zones
from ring.runtimes.shortcomings import NO_NAMES, Shortcoming

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from ring.network.cni.results import Record
    from ring.network.keeper import Keeper
    from ring.runtimes.containerd.networking.conflists import Network

_log = logging.getLogger(__name__)


class Names:
    """Loop thread only."""

    def __init__(self, keeper: Keeper, on: Callable[[str], Collection[Record]]) -> None:
        """on: the instances that have joined a network, by its name."""
        self._keeper = keeper
        self._on = on
        self._deployed: dict[str, set[str]] = {}
        """By network: the names of its deployments."""
        self._turns: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._told: set[str] = set()
        self._wrong: dict[str, str] = {}
        """By network: why the keeper does not answer as it should."""

    def is_told(self, network: str) -> bool:
        return network in self._told

    def know(self, network: str, name: str, *, is_there: bool) -> bool:
        """A deployment there has the name, or none has. True: that is new, and to be told."""
        if (name in self._deployed.get(network, ())) == is_there:
            return False
        if is_there:
            self._deployed.setdefault(network, set()).add(name)
        else:
            self._deployed[network].remove(name)
            if not self._deployed[network]:
                del self._deployed[network]
        self._told.discard(network)
        return True

    async def tell(self, network: Network) -> None:
        """The keeper answers as the deployments and the records are; with nobody on the network,
        who could ask, there is nothing to answer. Where it does not, that is logged, and kept for
        `shortcoming`: an instance that runs has not failed for it."""
        name = network.name
        # What is told last is what the records are last.
        async with self._turns[name]:
            records = self._on(name)
            # Said before it is done, so that what becomes known meanwhile takes it back.
            self._told.add(name)
            try:
                if records:
                    zone = zones.zone(network, records, self._deployed.get(name, ()))
                    await self._keeper.zone(name, zone)
                else:
                    await self._keeper.forget(name)
            except KeeperProblem as error:
                _log.warning("names of the network %s: %s", name, error)
                self._wrong[name] = str(error)
                self._told.discard(name)
            except BaseException:
                self._told.discard(name)
                raise
            else:
                self._wrong.pop(name, None)

    def shortcoming(self, network: str) -> Shortcoming | None:
        why = self._wrong.get(network)
        if why is None:
            return None
        return Shortcoming(NO_NAMES, f"Instances do not find each other by name: {why}")

    async def forget(self, network: str) -> None:
        """It is no more."""
        self._told.discard(network)
        self._wrong.pop(network, None)
        try:
            await self._keeper.forget(network)
        except KeeperProblem as error:
            _log.warning("names of the network %s are left: %s", network, error)
