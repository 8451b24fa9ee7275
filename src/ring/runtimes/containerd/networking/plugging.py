"""Plugs one instance into its network by the plugins of CNI, and out of it."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import replace
from typing import TYPE_CHECKING

from ring.network import links, netns
from ring.network.cni.chain import Attachment, PluginFailed
from ring.runtimes.containerd.networking import iptables, isolation, leased

if TYPE_CHECKING:
    from typing import Any

    from ring.network.cni.results import Record
    from ring.runtimes.containerd.networking.grounds import Ground, Grounds

_log = logging.getLogger(__name__)


class Plugging:
    def __init__(self, grounds: Grounds) -> None:
        self._grounds = grounds
        self._bridges: dict[str, int] = {}
        """By network: the index of the bridge that was seen to."""
        self._first = asyncio.Lock()

    async def plug(self, ground: Ground, record: Record) -> Record:
        """With what the plugins have said. Raises PluginFailed, OSError."""
        network = ground.network
        if network.name in self._bridges:
            result = await ground.chain.add(_attachment(record))
        else:
            # The plugins make what all networks share: two at a time are in each other's way.
            async with self._first:
                result = await ground.chain.add(_attachment(record))
                await self._see_to(ground)
        await self._see_to(ground)
        return replace(record, result=result, links=_links(result))

    async def unplug(self, record: Record) -> bool:
        """Gone already is success. False: a plugin has failed, which is logged."""
        chain = self._grounds.chain(record.config)
        was_plugged = is_plugged(record)
        result = record.result
        if result is None:
            # Of an ADD that was broken off: what some plugins made is found by the address alone.
            result = await asyncio.to_thread(leased.result, record.config, record.container_id)
        failed = None
        try:
            await chain.delete(_attachment(record), result)
        except PluginFailed as error:
            failed = error
        if failed is None and was_plugged:
            return True
        try:
            await self._grounds.masquerade_no_more(record.network, record.container_id)
            if failed is not None:
                await chain.delete(_attachment(record), result)
        except (PluginFailed, iptables.Failed, OSError) as error:
            _log.warning("instance %s: %s", record.container_id, error)
            return False
        return True

    async def _see_to(self, ground: Ground) -> None:
        """To a bridge that the plugins have just made. Raises OSError."""
        network = ground.network
        index = links.index(network.bridge)
        if index is None or index == self._bridges.get(network.name):
            return
        await asyncio.to_thread(links.note, network.bridge, network.name)
        try:
            # Once more: the firewall plugin puts its own rules before all others.
            await self._grounds.keep_apart(ground)
        except isolation.NotKept as error:
            _log.warning("network %s: %s", network.name, error)
        self._bridges[network.name] = index


def is_plugged(record: Record) -> bool:
    """Everything is there that the plugins have made. Takes some microseconds."""
    if not record.links or not netns.is_there(netns.path_of(record.container_id)):
        return False
    return all(links.index(name) == index for name, index in record.links.items())


def _attachment(record: Record) -> Attachment:
    path = netns.path_of(record.container_id)
    where = str(path) if netns.is_there(path) else ""
    return Attachment(record.container_id, where, record.capabilities)


def _links(result: dict[str, Any]) -> dict[str, int]:
    """The bridge and the instance's end of it, each with its index; 0: it is gone already."""
    found = result.get("interfaces", [])
    return {one["name"]: links.index(one["name"]) or 0 for one in found if not one.get("sandbox")}
