"""What one runtime holds, kept current: listed whole, then followed by its events.

A runtime that cannot be asked is Unknown, never empty.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from dataclasses import replace
from typing import TYPE_CHECKING, assert_never

from ring.core.model.events import EventDraft, Level
from ring.core.model.ids import short_id
from ring.core.model.ledger import Phase
from ring.core.model.observed import Exit, Instance, Listing, State, Unknown
from ring.engine.observing.copies import Copies
from ring.engine.observing.known import Known, Table
from ring.runtimes.base import (
    CameUp,
    Destroyed,
    Detached,
    Died,
    InstanceEvent,
    OutOfMemory,
    Paused,
    Resync,
    RuntimeEvent,
    RuntimeFailure,
    Signalled,
    Unavailable,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from datetime import datetime

    from ring.clock import Clock
    from ring.core.model.deployment import Deployment
    from ring.core.model.health import Health
    from ring.core.model.ids import DeploymentId, InstanceId, InstanceName
    from ring.engine.journal import Journal
    from ring.runtimes.base import Runtime
    from ring.store.store import Store

log = logging.getLogger(__name__)

LIST_S = 20.0
BACKOFF_FIRST_S = 1.0
BACKOFF_LONGEST_S = 30.0
PROOF_S = 1.0
"""For an engine to repeat the last event it told: it does so at once, or never."""
LASTING_PROOF_S = 5.0
"""For one whose events outlive it, and which may just be starting."""
DETACHED_S = 0.2
"""An instance that ends is taken off its network first."""
ASKED_PER_S = 5.0  # listings, whoever asks for them how often
ASKED_AT_ONCE = 100.0
EARLY_KEPT = 1024  # instances
PAUSED = (
    "was paused from outside Ring and is left so: it counts as live; unpause it, or remove it to "
    "have it replaced"
)
STEADY_S = 5.0  # a connection that lived so long breaks as if for the first time


class Observer:
    """One runtime. Loop thread only; run() follows it until cancelled."""

    def __init__(
        self,
        runtime: Runtime,
        store: Store,
        clock: Clock,
        journal: Journal,
        *,
        interval_s: float,
        changed: Callable[[DeploymentId], None],
        resynced: Callable[[Runtime, Iterable[Instance]], None],
        jitter: Callable[[], float],
        destroyed: Callable[[Runtime, InstanceId], None] = lambda _runtime, _id: None,
    ) -> None:
        self.runtime = runtime
        self._store = store
        self._clock = clock
        self._journal = journal
        self._interval_s = interval_s
        self._changed = changed
        self._resynced = resynced
        self._jitter = jitter
        self._destroyed = destroyed
        self._lasts = runtime.capabilities().lasting_events
        self._table = Table(clock.mono, self._tell_watchers)
        self._away: Unknown | None = Unknown("not asked yet", tried=False)
        self._early: dict[InstanceId, list[InstanceEvent]] = {}
        """What happened to instances that whoever creates them has not told about yet."""
        self._taken_at = 0.0
        self._since: datetime | None = None
        """From when on events are asked for while none has come."""
        self._last: tuple[str, InstanceId, datetime] | None = None
        """The event that came last; not the latest, for the engine's clock may be set back."""
        self._expected: tuple[str, InstanceId, datetime] | None = None
        """What came last of all that nothing was missed before: an event of a stream that has not
        told this again, and was not listed for either, proves nothing to the next stream."""
        self._unbroken = asyncio.Event()
        """This stream has told that again: nothing was missed in between."""
        self._copies = Copies(runtime.name, store, lambda one: self._table.get(one) is not None)
        self._refresh = asyncio.Event()
        self._credit = (ASKED_AT_ONCE, clock.mono())
        """Listings that may be asked for at once, and when that was true."""
        self._watchers: dict[DeploymentId, list[Callable[[], None]]] = {}

    # what others ask and tell
    def seen(self, rows: Iterable[DeploymentId]) -> Listing | Unknown:
        """The instances of these rows, as far as this runtime can be asked at all."""
        if self._away is not None:
            return self._away
        found = {one.name: one for row in rows for one in self._table.of_row(row)}
        return Listing(found, self._taken_at)

    def instances(self, row: DeploymentId) -> tuple[Instance, ...]:
        """The row's instances as last heard of, also while the runtime is away."""
        return tuple(sorted(self._table.of_row(row), key=lambda i: (i.created_at, i.name)))

    def instance(self, instance_id: InstanceId) -> Instance | None:
        """As last heard of, also while the runtime is away."""
        known = self._table.get(instance_id)
        return None if known is None else known.instance

    @property
    def is_away(self) -> bool:
        """Nothing may be concluded from what is known of its instances."""
        return self._away is not None

    def watch(self, row: DeploymentId, told: Callable[[], None]) -> None:
        """`told` is called whenever something was learnt about the row's instances."""
        self._watchers.setdefault(row, []).append(told)

    def unwatch(self, row: DeploymentId, told: Callable[[], None]) -> None:
        watchers = self._watchers[row]
        watchers.remove(told)
        if not watchers:
            del self._watchers[row]

    def note(self, instance: Instance) -> None:
        """Somebody has just been told this about an instance.

        An end that an event has told is not undone: the answer may have been on its way longer.
        """
        known = self._table.get(instance.id)
        if known is not None and known.has_ended and instance.is_live:
            return
        if known is None and self._table.is_over(instance.id):
            return
        if instance.exit is not None:
            instance = replace(instance, exit=self._explained(instance.exit, known))
        known = self._table.put(instance)
        known.is_doubtful = known.is_doubtful or self._is_broken
        for event in self._early.pop(instance.id, ()):
            self._apply(event)

    def _explained(self, end: Exit, known: Known | None) -> Exit:
        """What an inspection does not tell of an end, and whoever watched knows."""
        if known is None:
            return replace(end, missed=self._is_broken)
        earlier = known.instance.exit
        return replace(
            end,
            signalled=known.is_explained(end.finished_at),
            oom=end.oom or known.ran_out(end.finished_at),
            missed=self._is_broken or known.is_doubtful if earlier is None else earlier.missed,
        )

    def note_health(self, instance_id: InstanceId, health: Health) -> None:
        """It shows this by now. Nothing else of it has been learnt: a listing that is under way
        counts for all the rest."""
        known = self._table.get(instance_id)
        if known is not None:
            known.instance = replace(known.instance, health=health)

    def note_gone(self, name: InstanceName, instance_id: InstanceId | None = None) -> None:
        self._table.remove(name, instance_id)

    @property
    def _is_broken(self) -> bool:
        """What ended may have ended unseen.

        An engine that was started anew answers, and knows nothing of what it ended before.
        """
        is_away = self._away is not None and not self._lasts
        return is_away or not self._unbroken.is_set()

    def refresh(self) -> None:
        """Asks for a listing soon."""
        self._refresh.set()

    # following
    async def run(self) -> None:
        """Connects, lists, follows; for ever."""
        failures = 0
        while True:
            began = self._clock.mono()
            why = "the event stream ended"
            try:
                await self._follow()
            except RuntimeFailure as error:
                why = error.message
            steady = self._taken_at >= began and self._clock.mono() - began >= STEADY_S
            failures = 0 if steady else failures + 1
            if failures > 1 or self._away is not None:
                self._lost(why)
            # A stream that breaks is no outage: what happened meanwhile is told by the next one.
            if failures > 1:
                wait_s = min(BACKOFF_FIRST_S * 2 ** (failures - 2), BACKOFF_LONGEST_S)
                await asyncio.sleep(wait_s * self._jitter())

    async def _follow(self) -> None:
        """Events and listings side by side until one of them fails."""
        self._since = self._since or self._clock.wall()
        since = self._since if self._last is None else self._last[2]
        if self._unbroken.is_set():
            self._expected = self._last
        self._unbroken.clear()
        tasks = (
            asyncio.ensure_future(self._events(since)),
            asyncio.ensure_future(self._sweep()),
        )
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            results = await asyncio.gather(*tasks, return_exceptions=True)
        for result in results:
            if isinstance(result, BaseException) and not isinstance(result, asyncio.CancelledError):
                raise result

    async def _sweep(self) -> None:
        if self._expected is not None:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LASTING_PROOF_S if self._lasts else PROOF_S):
                    await self._unbroken.wait()
        while True:
            self._refresh.clear()
            await self._list()
            try:
                async with asyncio.timeout(self._interval_s):
                    await self._refresh.wait()
            except TimeoutError:
                continue
            await self._in_moderation()

    async def _in_moderation(self) -> None:
        """Whoever may label and rename containers can make Ring ask as often as he likes."""
        now = self._clock.mono()
        credit = self._credit[0] + (now - self._credit[1]) * ASKED_PER_S
        self._credit = (min(credit, ASKED_AT_ONCE) - 1, now)
        if credit < 1:
            await asyncio.sleep(1 / ASKED_PER_S)

    async def _list(self) -> None:
        """A listing that fails tells at once that nothing is known any more."""
        asked_at = self._clock.mono()
        try:
            async with asyncio.timeout(LIST_S):
                listed = await self.runtime.list()
        except TimeoutError as error:
            late = f"no answer to a listing within {LIST_S:g} s"
            self._lost(late)
            raise Unavailable(late) from error
        except RuntimeFailure as error:
            self._lost(error.message)
            raise
        self._take(listed, asked_at)

    async def _events(self, since: datetime) -> None:
        async for event in self.runtime.events(since):
            self._apply(event)
        raise Unavailable("the event stream ended")

    def _lost(self, why: str) -> None:
        is_news = self._away is None or not self._away.tried
        self._away = Unknown(why)
        if is_news:
            log.warning("the %s runtime is not reachable: %s", self.runtime.name, why)
            self._wake_all()

    # listings
    def _take(self, listed: Iterable[Instance], asked_at: float) -> None:
        missed = self._is_broken
        if self._away is not None and self._away.tried:
            log.info("the %s runtime answers again", self.runtime.name)
        taken = tuple(listed)
        own = (one for one in taken if one.server_id == self._store.server_id)
        self._table.take(self._copies.without(own), asked_at, missed=missed)
        self._unbroken.set()
        self._away = None
        self._taken_at = asked_at
        self._resynced(self.runtime, taken)
        self._wake_all()

    # events
    def _apply(self, event: RuntimeEvent) -> None:
        if isinstance(event, Resync):
            self.refresh()
            return
        self._last = (type(event).__name__, event.instance_id, event.at)
        if self._last == self._expected:
            self._unbroken.set()
        if isinstance(event, Destroyed):
            self._destroyed(self.runtime, event.instance_id)
        if isinstance(event, Detached):
            self._detached(event)
            return
        known = self._table.get(event.instance_id)
        if known is None:
            self._heard_of_stranger(event)
            return
        if known.is_late(type(event).__name__, event.at):
            return
        if known.instance.name != event.name:
            self.refresh()  # either it has another name by now, or it had when this happened
        self._happened(known, event)
        self._changed(event.deployment_id)

    def _happened(self, known: Known, event: InstanceEvent) -> None:
        match event:
            case Died():
                self._died(known, event)
            case CameUp():
                self._came_up(known, event)
            case Paused():
                if known.instance.is_live:
                    self._table.put(replace(known.instance, state=State.PAUSED))
                    self._tell(event, Level.WARNING, "container_paused", PAUSED)
            case Signalled():
                known.signalled_at = event.at
                self._tell(event, Level.INFO, "container_killed", f"got signal {event.signal}")
            case OutOfMemory():
                known.oom_at = event.at
                self._tell(event, Level.WARNING, "container_oom", "ran out of memory")
            case Destroyed():
                self.note_gone(known.instance.name, event.instance_id)
            case _ as never:
                assert_never(never)

    def _came_up(self, known: Known, event: CameUp) -> None:
        """What a listing says has ended may have come up before it: then only a look tells."""
        known.signalled_at = known.oom_at = None
        if known.has_ended:
            self.refresh()
            return
        if known.instance.state is State.PAUSED:
            self._tell(event, Level.INFO, "container_unpaused", "goes on")
        self._table.put(replace(known.instance, state=State.RUNNING, exit=None))

    def _detached(self, event: Detached) -> None:
        """Only a listing tells from which network, and only of one that lives it is news."""
        asyncio.get_running_loop().call_later(DETACHED_S, self._look_at, event.instance_id)

    def _look_at(self, instance_id: InstanceId) -> None:
        known = self._table.get(instance_id)
        if known is None or not known.instance.is_live:
            return
        row = self._store.deployment(known.instance.deployment_id)
        if row is not None and not self._is_ending(row, known.instance.name, instance_id):
            self.refresh()

    def _heard_of_stranger(self, event: InstanceEvent) -> None:
        """An instance not known yet: being created by us, to be listed for, or not ours at all."""
        row = self._store.deployment(event.deployment_id)
        if row is None and not self._store.is_tombstone(event.deployment_id):
            return
        if isinstance(event, Destroyed):
            self._early.pop(event.instance_id, None)
            self._table.remove(event.name, event.instance_id)
            return
        entry = self._store.ledger(row.key).get(event.name) if row is not None else None
        if entry is None or entry.phase is not Phase.CREATING:
            self.refresh()
        elif not isinstance(event, CameUp):
            self._early.setdefault(event.instance_id, []).append(event)
            if len(self._early) > EARLY_KEPT:
                del self._early[next(iter(self._early))]

    def _died(self, known: Known, event: Died) -> None:
        if known.instance.exit is None or known.instance.is_live:
            end = self._end(known, event)
            self._table.put(replace(known.instance, state=State.EXITED, exit=end))
        code = "?" if event.code is None else event.code
        self._tell(event, Level.WARNING, "container_died", f"died, exit_code={code}")

    def _end(self, known: Known, event: Died) -> Exit | None:
        if self._away is not None and self._is_broken:  # told again, before it is listed
            code = event.code if event.certain else None
            return Exit(code, event.at, oom=known.ran_out(event.at), missed=True)
        if not event.certain:
            return None  # only a look tells the code
        if known.is_explained(event.at):
            # A forced removal kills first: after a signal it takes a look to tell whether the
            # instance has ended or is about to vanish, which is no crash.
            return None
        return Exit(event.code, event.at, oom=known.ran_out(event.at))

    def _tell(self, event: InstanceEvent, level: Level, reason: str, what: str) -> None:
        """Leaves an event on the row, unless Ring itself is ending the instance."""
        row = self._store.deployment(event.deployment_id)
        if row is None or self._is_ending(row, event.name, event.instance_id):
            return
        self._journal.put(
            EventDraft(
                row.id,
                level,
                reason,
                f"Instance {short_id(event.instance_id)} {what}",
                f"{self.runtime.name}-events",
            )
        )

    def _is_ending(self, row: Deployment, name: InstanceName, instance_id: InstanceId) -> bool:
        """Its entry may still have the name from before somebody renamed it."""
        ledger = self._store.ledger(row.key)
        entry = ledger.get(name) or next(
            (one for one in ledger.values() if one.instance_id == instance_id), None
        )
        return entry is None or entry.phase is Phase.STOPPING

    def _tell_watchers(self, row: DeploymentId) -> None:
        for told in self._watchers.get(row, ()):
            told()

    def _wake_all(self) -> None:
        for row in self._store.deployments():
            if row.spec.runtime == self.runtime.name:
                self._changed(row.id)
