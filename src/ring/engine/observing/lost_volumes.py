"""Anonymous volumes of instances that somebody else removed: removed too, if nothing uses them.

Ring's own removal takes an instance's anonymous volumes along; one by hand may not, and then nobody
knows any more whose they were. So they are written down before the instance runs.
"""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict
from typing import TYPE_CHECKING

from ring.core.errors import RingError
from ring.core.model.ids import short_id
from ring.runtimes.anonymous_volumes import AnonymousVolumes
from ring.runtimes.base import Gone
from ring.store.anonymous_volumes import AnonymousVolume

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterable

    from ring.core.model.ids import InstanceId
    from ring.core.model.observed import Instance
    from ring.runtimes.base import Runtime
    from ring.store.store import Store

log = logging.getLogger(__name__)

REMOVAL_S = 30.0
AT_ONCE = 4
"""Instances whose volumes are looked after: an engine may have lost hundreds in one moment."""

Owner = tuple[str, "InstanceId"]
"""A runtime's name and one of its instances."""


class LostVolumes:
    """Loop thread only."""

    def __init__(
        self, store: Store, spawn: Callable[[Coroutine[None, None, None]], object]
    ) -> None:
        self._store = store
        self._spawn = spawn
        self._kept: defaultdict[Owner, list[AnonymousVolume]] = defaultdict(list)
        for volume in store.anonymous_volumes.all():
            self._kept[volume.runtime, volume.instance_id].append(volume)
        self._leaving: set[Owner] = set()
        self._lane = asyncio.Semaphore(AT_ONCE)

    async def keep(self, runtime: Runtime, instance: Instance) -> None:
        """Before it runs. What cannot be written down is as good as before: it never fails."""
        owner = (runtime.name, instance.id)
        named = self._named(instance)
        volumes = [
            AnonymousVolume(runtime.name, name, instance.id)
            for name in instance.anonymous_volumes
            if name not in named
        ]
        if not volumes or owner in self._kept:
            return
        try:
            await self._store.anonymous_volumes.keep(volumes)
        except RingError as error:
            log.warning("the volumes of %s were not written down: %s", instance.name, error.message)
        else:
            self._kept[owner] = volumes

    def _named(self, instance: Instance) -> set[str | None]:
        """Not every engine tells apart what it was asked for and what it made itself."""
        row = self._store.deployment(instance.deployment_id)
        return set() if row is None else {volume.source for volume in row.spec.volumes}

    def gone(self, runtime: Runtime, instance_id: InstanceId) -> None:
        """An instance was removed, by whomever."""
        owner = (runtime.name, instance_id)
        if owner not in self._kept or owner in self._leaving:
            return
        self._leaving.add(owner)
        try:
            self._spawn(self._remove(runtime, owner))
        except RuntimeError:  # on the way down: the next start sees that it is gone
            self._leaving.discard(owner)

    def look(self, runtime: Runtime, listed: Iterable[Instance]) -> None:
        """A whole listing. What is of an instance that came up meanwhile is in use, and stays."""
        if not self._kept:
            return
        present = {instance.id for instance in listed}
        for name, instance_id in tuple(self._kept):
            if name == runtime.name and instance_id not in present:
                self.gone(runtime, instance_id)

    async def _remove(self, runtime: Runtime, owner: Owner) -> None:
        """Those that the instance itself still has are tried again after the next listing."""
        try:
            async with self._lane:
                done = [each for each in self._kept[owner] if await self._is_done(runtime, each)]
            await self._store.anonymous_volumes.drop(done)
            left = [volume for volume in self._kept[owner] if volume not in done]
            if left:
                self._kept[owner] = left
            else:
                del self._kept[owner]
        except (TimeoutError, RingError) as error:
            log.warning("cannot remove what %s left behind: %s", short_id(owner[1]), error)
        finally:
            self._leaving.discard(owner)

    async def _is_done(self, runtime: Runtime, volume: AnonymousVolume) -> bool:
        """It is gone, or somebody else's: who has taken it over has it for good."""
        if not isinstance(runtime, AnonymousVolumes) or self._is_named(volume.name):
            return True
        async with asyncio.timeout(REMOVAL_S):
            if await runtime.remove_volume(volume.name):
                return True
            try:
                await runtime.inspect(volume.instance_id)
            except Gone:
                # Once more: the instance may have gone between the two.
                if not await runtime.remove_volume(volume.name):
                    log.info("volume %s stays: something else uses it", short_id(volume.name))
                return True
            return False

    def _is_named(self, name: str) -> bool:
        """By a deployment, or in a register: then it is a named volume by now."""
        return any(
            volume.source == name
            for row in self._store.deployments()
            for volume in row.spec.volumes
        ) or any(name == registered for _, registered in self._store.known().volumes)
