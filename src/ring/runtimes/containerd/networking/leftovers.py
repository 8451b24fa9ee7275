"""What instances that are no more have left behind: records, published ports, leased addresses.

A server that was killed leaves them, and so does a plugin that failed when an instance left.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from ring.core.model.ids import InstanceId
from ring.network import netns
from ring.network.keeper import KeeperProblem
from ring.runtimes.containerd.names import may_be_rings
from ring.runtimes.containerd.networking import leased

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection

    from ring.network.keeper import Keeper
    from ring.runtimes.containerd.networking.grounds import Grounds
    from ring.runtimes.containerd.networking.records import Records

_log = logging.getLogger(__name__)


class Leftovers:
    """Loop thread only."""

    def __init__(
        self,
        server_id: str,
        grounds: Grounds,
        records: Records,
        keeper: Keeper,
        leave: Callable[[InstanceId], Awaitable[None]],
    ) -> None:
        """leave: gives back what the record of an instance names."""
        self._server_id = server_id
        self._grounds = grounds
        self._records = records
        self._keeper = keeper
        self._leave = leave

    async def give_back(self, known: Callable[[], Awaitable[Collection[InstanceId]]]) -> None:
        """Of those that this server has made; what fails is logged.

        known: those that are there; asked again before anything is taken away.
        """
        there = await known()
        await self._records.load()
        for record in self._records.all():
            instance_id = InstanceId(record.container_id)
            if record.server_id != self._server_id or instance_id in there:
                continue
            if not self._records.is_recent(instance_id) and instance_id not in await known():
                _log.warning("instance %s is no more: what it had is given back", instance_id)
                await self._leave(instance_id)
        await self._ports()
        await self._leases(known)

    async def _ports(self) -> None:
        """What is published for nobody. To ask is also what makes sure that there is a keeper."""
        try:
            for holder in await self._keeper.holders():
                if self._records.get(holder) is None and not self._records.is_recent(holder):
                    await self._keeper.unpublish(holder)
        except KeeperProblem as error:
            _log.warning("ports of instances that are no more: %s", error)

    async def _leases(self, known: Callable[[], Awaitable[Collection[InstanceId]]]) -> None:
        """Of those that nothing is known of any more: a record may have been damaged."""
        # Who joins has a record before it has an address, and those of other servers are known.
        leases = await asyncio.to_thread(self._grounds.leases)
        if not any(self._is_left(holder) for held in leases.values() for holder in held):
            return
        there = await known()

        def is_gone(holder: str) -> bool:
            return holder not in there and self._is_left(holder)

        for network in leases:
            try:
                gone = await asyncio.to_thread(leased.release, network, is_gone)
            except OSError as error:
                _log.warning("network %s: %s", network, error)
                continue
            if gone:
                _log.warning("network %s: addresses of %s are free", network, ", ".join(gone))

    def _is_left(self, holder: str) -> bool:
        # Others may have put theirs on the network, with a network namespace of another name.
        if not may_be_rings(holder):
            return False
        instance_id = InstanceId(holder)
        return self._records.get(instance_id) is None and not netns.is_there(
            netns.path_of(instance_id)
        )
