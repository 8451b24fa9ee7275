"""What belongs to nothing any more: found on every engine and on the disk, removed on request."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from ring.core import orphans
from ring.core.errors import HostError
from ring.core.model.ids import DeploymentId, InstanceId, InstanceName
from ring.core.model.operations import RemoveInstance
from ring.core.orphans import Held, Kind, Orphan
from ring.engine.operating.removing import SHORT_CALL_S, remove
from ring.runtimes.base import RuntimeFailure
from ring.runtimes.stock import Stock
from ring.store.audit import Target

if TYPE_CHECKING:
    from collections.abc import Collection

    from ring.clock import Clock
    from ring.engine.operating.files import Files
    from ring.runtimes.base import Runtime
    from ring.runtimes.registry import Registry
    from ring.store.records import Author
    from ring.store.store import Store

log = logging.getLogger(__name__)

LISTING_S = 20.0
GRACE_S = 5.0
"""For an instance that still runs."""
BUDGET_S = 8.0
"""Of one request: after that no further removal is begun, and the answer says so."""


class Refused(NamedTuple):
    """What stayed, and why."""

    orphan: Orphan
    reason: str


@dataclass(slots=True)
class Cleared:
    removed: list[Orphan] = field(default_factory=list)
    failed: list[Refused] = field(default_factory=list)
    is_done: bool = True
    """False: time has run out, and there is more to remove."""


class Orphans:
    """One for a server."""

    def __init__(self, store: Store, runtimes: Registry, clock: Clock, files: Files) -> None:
        self._store = store
        self._runtimes = runtimes
        self._clock = clock
        self._files = files
        self._one = asyncio.Lock()

    async def listed(self) -> tuple[Orphan, ...]:
        """With what orphaned instances alone keep. Raises RuntimeFailure, TimeoutError,
        HostError."""
        return await self._found(as_it_is=False)

    async def _found(self, *, as_it_is: bool) -> tuple[Orphan, ...]:
        async with asyncio.timeout(LISTING_S):
            held = await asyncio.gather(
                *(_held(name, runtime) for name, runtime in self._runtimes.items())
            )
        directories = await self._files.kept()
        # Read last: what is made meanwhile is known by then, or was in no listing.
        known = self._store.known()
        left = held if as_it_is else [orphans.without_orphans(known, each) for each in held]
        instances = [instance for each in left for instance in each.instances]
        found = [
            orphan
            for each, later in zip(held, left, strict=True)
            for orphan in orphans.of_runtime(known, each, later)
        ]
        return (*found, *orphans.of_files(known, directories, instances))

    async def remove(self, wanted: Collection[str] | None, author: Author) -> Cleared:
        """What may be removed of these ids, or of all there is. Ids that are none are left out.

        Begins nothing after BUDGET_S seconds. Raises RuntimeFailure, TimeoutError, HostError.
        """
        began = self._clock.mono()
        cleared = Cleared()
        async with self._one:
            for kind in Kind:
                # Looked for again: what an instance that stays has is no orphan.
                for orphan in await self._found(as_it_is=True):
                    if orphan.kind is not kind or not _is_wanted(orphan, wanted):
                        continue
                    if self._clock.mono() - began > BUDGET_S:
                        cleared.is_done = False
                        return cleared
                    await self._cleared(orphan, cleared, author)
        return cleared

    async def _cleared(self, orphan: Orphan, cleared: Cleared, author: Author) -> None:
        if orphan.kept is not None:
            cleared.failed.append(Refused(orphan, orphan.kept))
            return
        try:
            target = Target(str(orphan.kind), orphan.name)
            async with (
                self._store.audit.during(author.user_id, "delete", target),
                asyncio.timeout(GRACE_S + SHORT_CALL_S),
            ):
                await self._gone(orphan)
        except (RuntimeFailure, TimeoutError, HostError) as error:
            reason = str(error) or "it does not go in time"
            log.warning("%s %s is not removed: %s", orphan.kind, orphan.name, reason)
            cleared.failed.append(Refused(orphan, reason))
        else:
            log.info("removed %s %s: %s", orphan.kind, orphan.name, orphan.why)
            cleared.removed.append(orphan)

    async def _gone(self, orphan: Orphan) -> None:
        if orphan.kind is Kind.DIRECTORY:
            await self._files.drop(DeploymentId(orphan.key))
            return
        runtime = self._runtimes[orphan.runtime or ""]
        if orphan.kind is Kind.NETWORK and isinstance(runtime, Stock):
            await runtime.remove_network(orphan.key)
        elif orphan.kind is Kind.INSTANCE and orphan.deployment_id is not None:
            name, instance = InstanceName(orphan.name), InstanceId(orphan.key)
            await remove(runtime, RemoveInstance(orphan.deployment_id, name, instance, GRACE_S))


async def _held(name: str, runtime: Runtime) -> Held:
    if not isinstance(runtime, Stock):
        return Held(name, await runtime.list(), (), (), ())
    return Held(
        name,
        await runtime.list(),
        await runtime.networks(),
        await runtime.volumes(),
        await runtime.holders(),
    )


def _is_wanted(orphan: Orphan, wanted: Collection[str] | None) -> bool:
    """What cannot be removed is told of only where it was asked for by its id."""
    return orphan.kept is None if wanted is None else orphan.id in wanted
