"""Instances of this server whose row was purged: removed when they turn up after all.

Only those that carry our server id and the id of a row purged lately; an instance of an unknown
deployment may be another Ring's and is never touched, and what has not the name that it was made
under may be somebody's copy of one.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from ring.core.model.operations import RemoveInstance
from ring.engine.operating.removing import removal_limit_s, remove
from ring.runtimes.base import RuntimeFailure

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterable

    from ring.core.model.ids import InstanceName
    from ring.core.model.observed import Instance
    from ring.runtimes.base import Runtime
    from ring.store.store import Store

log = logging.getLogger(__name__)


class Latecomers:
    """Looks through every listing."""

    def __init__(
        self, store: Store, spawn: Callable[[Coroutine[None, None, None]], object]
    ) -> None:
        self._store = store
        self._spawn = spawn
        self._leaving: set[InstanceName] = set()
        self._named: set[InstanceName] = set()

    def look(self, runtime: Runtime, listed: Iterable[Instance]) -> None:
        for instance in listed:
            if instance.server_id != self._store.server_id:
                continue
            if self._store.deployment(instance.deployment_id) is not None:
                continue
            is_late = self._store.is_tombstone(instance.deployment_id)
            if is_late and not instance.has_other_name:
                if instance.name not in self._leaving:
                    self._leaving.add(instance.name)
                    self._spawn(self._remove(runtime, instance))
            elif instance.name not in self._named:
                self._named.add(instance.name)
                log.warning(
                    "instance %s on %s carries this server's label but no deployment of it is "
                    "known: left alone",
                    instance.name,
                    runtime.name,
                )

    async def _remove(self, runtime: Runtime, instance: Instance) -> None:
        action = RemoveInstance(instance.deployment_id, instance.name, instance.id, None)
        try:
            async with asyncio.timeout(removal_limit_s(action)):
                await remove(runtime, action)
        except (TimeoutError, RuntimeFailure) as error:
            log.warning("cannot remove the orphaned instance %s: %s", instance.name, error)
        else:
            log.info("removed %s, left over from a purged deployment", instance.name)
        finally:
            self._leaving.discard(instance.name)
