"""The one task that plans: snapshot, plan, commit, and only then begin what was planned."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Callable
from typing import TYPE_CHECKING

from ring.core.errors import HostError
from ring.core.plan.explaining import Decided, explain
from ring.core.plan.planner import plan
from ring.core.plan.view import Memory, Now, RuntimeView, View
from ring.engine.store_outage import Outage

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime

    from ring.clock import Clock
    from ring.core.model.deployment import Deployment
    from ring.core.model.ids import GroupKey
    from ring.core.plan.explaining import Explained
    from ring.core.plan.view import Limits, NameSource, Plan
    from ring.engine.discovering import Discovering
    from ring.engine.inputs import Inputs
    from ring.engine.observing.observer import Observer
    from ring.engine.operating.operations import Operations
    from ring.engine.probing.prober import Prober
    from ring.engine.probing.showing import Showing
    from ring.engine.wakeups import Wakeups
    from ring.store.store import Store

log = logging.getLogger(__name__)

FAILED_PASS_S = 10.0


Passed = Callable[["Sequence[Deployment]", "datetime", "datetime"], None]
"""Told of a pass that had something to do: the group's rows after it, its begin and its end."""


def random_suffix() -> str:
    """8 lowercase hex characters."""
    return secrets.token_hex(4)


class Reconciler:
    """Passes over groups, one at a time; each takes about a millisecond and waits for no engine."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        *,
        wakeups: Wakeups,
        operations: Operations,
        observers: Mapping[str, Observer],
        inputs: Inputs,
        prober: Prober,
        showing: Showing,
        discovering: Discovering,
        purged: Callable[[Deployment], None],
        limits: Limits,
        names: NameSource = random_suffix,
        planner: Callable[[View, Now, NameSource], Plan] = plan,
        passed: Passed | None = None,
    ) -> None:
        self._store = store
        self._clock = clock
        self._wakeups = wakeups
        self._operations = operations
        self._observers = observers
        self._inputs = inputs
        self._prober = prober
        self._showing = showing
        self._discovering = discovering
        self._purged = purged
        self._limits = limits
        self._names = names
        self._planner = planner
        self._passed = passed
        self._memory: dict[GroupKey, Memory] = {}
        self._decided: dict[GroupKey, Decided] = {}
        self._outage = Outage(clock, wakeups)

    async def run(self) -> None:
        while True:
            key = await self._wakeups.next()
            stored = False
            try:
                stored = await self._pass(key)
            except HostError as error:
                self._outage.failed(key, error)
                continue
            except Exception:
                # One group's defect must not stop the others: logged whole, tried again later.
                log.exception("the pass over %s failed", _text(key))
                self._wakeups.wake_at(key, self._clock.mono() + FAILED_PASS_S)
            self._outage.passed(key, stored=stored)

    def view(self, key: GroupKey) -> View:
        """One group as this process knows it now."""
        rows = self._store.rows(key)
        ids = [row.id for row in rows]
        return View(
            key=key,
            rows=rows,
            ledger=self._store.ledger(key),
            operations=self._operations.in_flight(key),
            outcomes=self._operations.outcomes(key),
            runtimes={
                name: RuntimeView(observer.seen(ids)) for name, observer in self._observers.items()
            },
            memory=self._memory.get(key, Memory()),
            limits=self._limits,
            inputs=self._inputs.count(key),
            checks=self._prober.states(key),
            fired=self._prober.fired(key),
        )

    def explain(self, key: GroupKey) -> Explained | None:
        """Where the group stands, and what the last pass said of it; None: it has no rows."""
        view = self.view(key)
        return explain(view, self._decided.get(key)) if view.rows else None

    async def _pass(self, key: GroupKey) -> bool:
        """True: something was written."""
        view = self.view(key)
        now = Now(self._clock.mono(), self._clock.wall())
        made = self._planner(view, now, self._names)
        if (made.writes or made.actions) and not await self._store.commit(made):
            self._wakeups.wake(key)  # the rows changed meanwhile: plan again from what they are now
            return False
        rows = self._store.rows(key)
        if rows:
            self._remember(key, rows, made, now.wall)
        else:
            self._forget(key)
        self._apply(key, view, made)
        if self._passed is not None and (made.writes or made.actions):
            self._passed(rows, now.wall, self._clock.wall())
        return made.writes

    def _remember(
        self, key: GroupKey, rows: Iterable[Deployment], made: Plan, at: datetime
    ) -> None:
        """For the next pass, and what was said of rows that are still there."""
        self._memory[key] = made.memory
        reasons = {row.id: made.reasons[row.id] for row in rows if row.id in made.reasons}
        self._decided[key] = Decided(at, reasons)

    def _forget(self, key: GroupKey) -> None:
        self._memory.pop(key, None)
        self._decided.pop(key, None)
        self._inputs.forget(key)

    def _apply(self, key: GroupKey, view: View, made: Plan) -> None:
        """The plan is durable: begin, cancel and wake as it says."""
        self._operations.forget(key, made.folded)
        self._prober.acted(key, made.acted)
        self._prober.look(key)
        self._showing.look(view)
        self._discovering.look(view)
        for row in made.purge:
            self._purged(row)
        for operation in made.cancel:
            self._operations.cancel(key, operation)
        for row_id, reason in made.reasons.items():
            log.debug("%s (%s): %s", _text(key), row_id, reason)
        runtime_of = {row.id: row.spec.runtime for row in view.rows}
        for action in made.actions:
            self._operations.begin(key, runtime_of[action.deployment_id], action)
        for runtime in made.refresh:
            self._observers[runtime].refresh()
        if made.wake_at is not None:
            self._wakeups.wake_at(key, made.wake_at)


def _text(key: GroupKey) -> str:
    return f"{key.namespace}/{key.name}"
