"""Runs the health checks of all live instances on their schedules, beside the passes.

A pass tells what lives (`look`) and reads what came of the checks (`states`, `fired`); no pass
waits for a probe, and no probe for another deployment's.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
import logging
from collections import deque
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Protocol

from ring.core import health
from ring.core.model.health import ResultDraft
from ring.core.model.quantities import QuantityError, parse_duration
from ring.engine.probing.places import Places
from ring.engine.probing.probed import LATE, failed
from ring.engine.probing.states import Pair, States

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Mapping
    from datetime import datetime

    from ring.clock import Clock
    from ring.core.model.deployment import Deployment
    from ring.core.model.health import CheckState, Fired
    from ring.core.model.ids import DeploymentId, GroupKey, InstanceId
    from ring.core.model.ledger import Entry
    from ring.core.model.observed import Instance
    from ring.core.model.spec import HealthCheck
    from ring.engine.observing.observer import Observer
    from ring.engine.probing.probed import Probed
    from ring.engine.probing.results import Results
    from ring.store.store import Store

log = logging.getLogger(__name__)

PATIENCE_S = 1.0
"""A probe that takes longer waits for something, and works no more: its place is lent."""
OVERDUE_S = 10.0
"""A probe keeps its own timeout; one that is still there so long after it is given up."""
UNREADABLE_TIMEOUT_S = 10.0
MESSAGE_CHARS = 1024


class Probe(Protocol):
    """Runs one check on one instance, within the check's own timeout. Raises nothing."""

    def __call__(
        self, row: Deployment, instance: Instance, check: HealthCheck
    ) -> Awaitable[Probed]: ...


@dataclass(slots=True, eq=False)
class _Turn:
    """A pair's schedule: when it is probed next, or that it is being probed."""

    pair: Pair
    interval_s: float
    due: float
    task: asyncio.Task[None] | None = None
    is_slow: bool = False
    """The last probe hung."""
    is_parked: bool = False
    """It was its turn when it could not be probed: it waits for a look that finds that it can."""
    is_dropped: bool = False

    @property
    def deployment_id(self) -> DeploymentId:
        return self.pair.deployment_id


@dataclass(slots=True, eq=False)
class _Flight:
    """A probe that runs."""

    turn: _Turn
    row: Deployment
    instance: Instance
    since: float
    started_at: datetime
    is_hanging: bool
    """It has no place (any more)."""
    has_ended: bool = False


class Prober:
    """Loop thread only; run() probes until cancelled."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        observers: Mapping[str, Observer],
        *,
        probe: Probe,
        results: Results,
        wake: Callable[[GroupKey], None],
        jitter: Callable[[], float],
        late: Callable[[float], None],
    ) -> None:
        """jitter: a factor around 1. late: is told by how many seconds each probe began late."""
        self._store = store
        self._clock = clock
        self._observers = observers
        self._probe = probe
        self._results = results
        self._wake = wake
        self._jitter = jitter
        self._late = late
        self._states = States(clock)
        self._turns: dict[GroupKey, dict[tuple[InstanceId, int], _Turn]] = {}
        self._heap: list[tuple[float, int, _Turn]] = []
        self._order = itertools.count()
        self._places: Places[_Turn] = Places()
        self._flights: deque[_Flight] = deque()
        """By their begin: those that have a place, and some that have ended."""
        self._changed = asyncio.Event()
        self._warned: set[tuple[DeploymentId, int]] = set()
        for saved in store.health_checks.states():
            row = store.deployment(saved.deployment_id)
            if row is not None:
                self._states.load(row.key, saved)

    # what passes ask and tell
    def states(self, key: GroupKey) -> Mapping[InstanceId, Mapping[int, CheckState]]:
        return self._states.of(key)

    def fired(self, key: GroupKey) -> tuple[Fired, ...]:
        """Those that no committed plan has taken in, in the order they fired."""
        return self._states.fired(key)

    def acted(self, key: GroupKey, ids: Iterable[int]) -> None:
        self._states.acted(key, ids)

    def look(self, key: GroupKey) -> None:
        """Follows the group as it is now: what lives is probed, what does not is not any more."""
        rows = {row.id: row for row in self._store.rows(key) if row.spec.health_checks}
        if not rows and key not in self._turns and key not in self._states.groups():
            return
        entries = [e for e in self._store.ledger(key).values() if e.deployment_id in rows]
        turns = self._turns.setdefault(key, {})
        wanted: set[tuple[InstanceId, int]] = set()
        for entry in entries:
            row = rows[entry.deployment_id]
            instance_id = self._probed_id(row, entry)
            if instance_id is None:
                continue
            for index in health.running_checks(row):
                about = (instance_id, index)
                wanted.add(about)
                if (turn := turns.get(about)) is not None:
                    self._unpark(turn, row)
                elif not self._is_away(row):
                    pair = Pair(key, row.id, instance_id, entry.name, index)
                    turns[about] = self._schedule(row, pair)
        for about in turns.keys() - wanted:
            self._drop(turns.pop(about))
        if not turns:
            del self._turns[key]
        known = {entry.instance_id for entry in entries if entry.instance_id is not None}
        self._results.forget(self._states.keep_only(key, known))

    def _probed_id(self, row: Deployment, entry: Entry) -> InstanceId | None:
        """None: it is not to be probed. What it has stays while its runtime cannot be asked."""
        if entry.instance_id is None or entry.phase not in health.PROBED:
            return None
        if self._is_away(row) or self._living(row, entry.instance_id) is not None:
            return entry.instance_id
        return None

    def _is_away(self, row: Deployment) -> bool:
        observer = self._observers.get(row.spec.runtime)
        return observer is None or observer.is_away

    def _living(self, row: Deployment, instance_id: InstanceId) -> Instance | None:
        """None also where it cannot be told."""
        if self._is_away(row):
            return None
        instance = self._observers[row.spec.runtime].instance(instance_id)
        return instance if instance is not None and instance.is_live else None

    def _schedule(self, row: Deployment, pair: Pair) -> _Turn:
        interval_s = health.interval_s(row.spec.health_checks[pair.index].interval)
        if interval_s is None:
            interval_s = health.DEFAULT_INTERVAL_S
            self._warn(row, pair.index)
        turn = _Turn(pair, interval_s, self._clock.mono())
        self._push(turn)
        return turn

    def _warn(self, row: Deployment, index: int) -> None:
        """Once a check."""
        if (row.id, index) not in self._warned:
            self._warned.add((row.id, index))
            log.warning(
                "deployment %s: the interval '%s' of health check %d cannot be read; "
                "it is taken as %g s",
                row.id,
                row.spec.health_checks[index].interval,
                index,
                health.DEFAULT_INTERVAL_S,
            )

    def _unpark(self, turn: _Turn, row: Deployment) -> None:
        if turn.is_parked and not self._is_away(row):
            turn.is_parked = False
            turn.due = self._clock.mono()
            self._push(turn)

    def _drop(self, turn: _Turn) -> None:
        turn.is_dropped = True
        if turn.task is not None:
            turn.task.cancel()

    def _push(self, turn: _Turn) -> None:
        heapq.heappush(self._heap, (turn.due, next(self._order), turn))
        self._changed.set()

    # probing
    async def run(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            while True:
                self._changed.clear()
                self._lend()
                self._collect_due()
                while (turn := self._places.take()) is not None:
                    self._begin(turn, tasks)
                try:
                    async with asyncio.timeout(self._wait_s()):
                        await self._changed.wait()
                except TimeoutError:
                    continue

    def _wait_s(self) -> float | None:
        times = []
        if self._heap:
            times.append(self._heap[0][0])
        if self._flights:
            times.append(self._flights[0].since + PATIENCE_S)
        return max(0.0, min(times) - self._clock.mono()) if times else None

    def _collect_due(self) -> None:
        now = self._clock.mono()
        while self._heap and self._heap[0][0] <= now:
            turn = heapq.heappop(self._heap)[2]
            if not turn.is_dropped:
                self._places.wait(turn)

    def _lend(self) -> None:
        now = self._clock.mono()
        while self._flights and (
            self._flights[0].has_ended or self._flights[0].since + PATIENCE_S <= now
        ):
            flight = self._flights.popleft()
            if not flight.has_ended:
                flight.is_hanging = True
                self._places.lend(flight.turn.deployment_id)

    def _begin(self, turn: _Turn, tasks: asyncio.TaskGroup) -> None:
        """It has a place. Phase and effect are those of the row as committed now."""
        pair, now = turn.pair, self._clock.mono()
        row = self._store.deployment(pair.deployment_id)
        instance = None if row is None else self._living(row, pair.instance_id)
        if row is None or instance is None or pair.index not in health.running_checks(row):
            self._places.leave(pair.deployment_id, is_hanging=turn.is_slow)
            turn.is_parked = True
            return
        self._late(now - turn.due)
        flight = _Flight(turn, row, instance, now, self._clock.wall(), is_hanging=turn.is_slow)
        if not flight.is_hanging:
            self._flights.append(flight)
        turn.task = tasks.create_task(self._run(flight))
        turn.task.add_done_callback(partial(self._ended, flight))

    def _ended(self, flight: _Flight, _task: asyncio.Task[None]) -> None:
        flight.has_ended = True
        self._changed.set()
        turn, now = flight.turn, self._clock.mono()
        turn.task = None
        self._places.leave(turn.deployment_id, is_hanging=flight.is_hanging)
        if turn.is_dropped:
            return
        turn.is_slow = now - flight.since >= PATIENCE_S
        turn.due = flight.since
        while turn.due <= now:  # turns that were missed are not made up for
            turn.due += max(health.INTERVAL_FLOOR_S, turn.interval_s * self._jitter())
        self._push(turn)

    async def _run(self, flight: _Flight) -> None:
        row = flight.row
        check = row.spec.health_checks[flight.turn.pair.index]
        try:
            async with asyncio.timeout(_timeout_s(check.timeout) + OVERDUE_S):
                probed = await self._probe(row, flight.instance, check)
        except TimeoutError:
            log.warning("deployment %s: a probe did not keep its own timeout", row.id)
            probed = LATE
        except Exception as error:
            log.exception("deployment %s: a probe failed by a defect", row.id)
            probed = failed(f"Failed to run the health check: {type(error).__name__}")
        self._take(flight, check, probed)

    def _take(self, flight: _Flight, check: HealthCheck, probed: Probed) -> None:
        """Whatever was found tells nothing about an instance that is not meant to work now."""
        pair = flight.turn.pair
        row = self._store.deployment(pair.deployment_id)
        if flight.turn.is_dropped or row is None or row.is_deleted:
            return
        if self._living(row, pair.instance_id) is None:
            return
        counts = health.has_run(flight.row)
        before, _ = self._states.take(pair, probed.status, counts=counts)
        spared = health.is_spared(check, flight.instance.created_at, flight.started_at)
        after = self._states.judge(pair, check.threshold, is_spared=spared)
        news = before is None or (before.is_green, before.health) != (after.is_green, after.health)
        message = probed.message[:MESSAGE_CHARS]
        if health.fires(after, check.threshold):
            after = self._states.fire(pair, message)
            news = True
        result = ResultDraft(
            pair.deployment_id,
            pair.instance_id,
            pair.index,
            check.type,
            probed.status,
            message,
            flight.started_at,
            self._clock.wall(),
        )
        state = None if after == before else self._states.saved(pair, after)
        self._results.put(result, state)
        if news:
            self._wake(pair.key)


def _timeout_s(text: str) -> float:
    try:
        return parse_duration(text) / 1000
    except QuantityError:
        return UNREADABLE_TIMEOUT_S
