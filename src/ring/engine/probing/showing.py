"""Has instances show what their checks say, on engines that check nothing themselves.

What is to be shown is the prober's, and what is shown a listing's: only where the two differ is
anything told, so what could not be told is told by a later pass, and a new server has only to look.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import TYPE_CHECKING

from ring.core import health
from ring.core.model.health import Health
from ring.core.model.observed import Listing
from ring.runtimes.base import Gone, RuntimeFailure, Unavailable
from ring.runtimes.shown_health import ShowsHealth

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator, Mapping

    from ring.core.model.ids import InstanceId
    from ring.core.model.observed import Instance
    from ring.core.plan.view import View
    from ring.engine.observing.observer import Observer
    from ring.runtimes.base import Runtime

    Spawn = Callable[[Coroutine[None, None, None]], object]

log = logging.getLogger(__name__)

TELL_S = 10.0
"""One call."""


class Showing:
    """Looks at what a pass saw; nobody waits for what comes of it. Loop thread only."""

    def __init__(
        self, runtimes: Mapping[str, Runtime], observers: Mapping[str, Observer], *, spawn: Spawn
    ) -> None:
        self._tellers = {
            name: _Teller(runtime, observers[name], spawn)
            for name, runtime in runtimes.items()
            if isinstance(runtime, ShowsHealth)
        }

    def look(self, view: View) -> None:
        for name, teller in self._tellers.items():
            for instance, wanted in _wanted(view, name):
                teller.look(instance, wanted)


def _wanted(view: View, runtime: str) -> Iterator[tuple[Instance, Health]]:
    """The live instances there that show anything, and what."""
    seen = view.runtimes[runtime].seen if runtime in view.runtimes else None
    if not isinstance(seen, Listing):
        return
    shown = {
        row.id: row.spec.health_checks.index(check)
        for row in view.rows
        if row.spec.runtime == runtime
        and not row.is_deleted
        and (check := health.shown_check(row.spec)) is not None
    }
    for instance in seen.instances.values():
        index = shown.get(instance.deployment_id)
        if index is not None and instance.is_live:
            state = view.checks.get(instance.id, {}).get(index)
            yield instance, Health.STARTING if state is None else state.health


class _Teller:
    """Of one runtime: one call at a time, of each instance the newest only."""

    def __init__(self, runtime: ShowsHealth, observer: Observer, spawn: Spawn) -> None:
        self._runtime = runtime
        self._observer = observer
        self._spawn = spawn
        self._waiting: dict[InstanceId, Health] = {}
        self._under_way: dict[InstanceId, Health] = {}
        """The one that is being told."""
        self._is_telling = False
        self._failing: set[InstanceId] = set()
        """Those of which it was said that they cannot be told."""

    def look(self, instance: Instance, wanted: Health) -> None:
        if self._under_way.get(instance.id, instance.health) is wanted:
            self._waiting.pop(instance.id, None)
            return
        self._waiting[instance.id] = wanted
        if not self._is_telling:
            with contextlib.suppress(RuntimeError):  # on the way down
                self._spawn(self._tell())
                self._is_telling = True

    async def _tell(self) -> None:
        try:
            while self._waiting:
                instance_id = next(iter(self._waiting))
                self._under_way = {instance_id: self._waiting.pop(instance_id)}
                await self._tell_one(instance_id, self._under_way[instance_id])
                self._under_way = {}
        finally:
            self._under_way = {}
            self._is_telling = False

    async def _tell_one(self, instance_id: InstanceId, wanted: Health) -> None:
        try:
            async with asyncio.timeout(TELL_S):
                await self._runtime.show_health(instance_id, wanted)
        except Gone:
            return
        except TimeoutError:
            self._failed(instance_id, f"no answer within {TELL_S:g} s")
            self._waiting.clear()
        except RuntimeFailure as error:
            self._failed(instance_id, error.message)
            if isinstance(error, Unavailable):
                self._waiting.clear()
        else:
            self._failing.discard(instance_id)
            self._observer.note_health(instance_id, wanted)

    def _failed(self, instance_id: InstanceId, why: str) -> None:
        """Once an instance, until it can be told: every pass tries it again."""
        if instance_id not in self._failing:
            log.warning("instance %s does not show its health: %s", instance_id, why)
        present = {one for one in self._failing if self._observer.instance(one) is not None}
        self._failing = present | {instance_id}
