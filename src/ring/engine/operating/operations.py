"""Operations in flight: what takes time, in bounded fair lanes, each with an outcome.

A pass begins operations and never waits for one; its end wakes the group again. Those that wait
in a lane are served group by group in turn, so that one large deployment delays no other; and one
that hangs in the engine gives its place to the next, so that it delays no other either.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter, deque
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from ring.core.model.failures import Failure, FailureClass
from ring.core.model.ids import GroupKey, OperationId
from ring.core.model.operations import (
    Action,
    AttachInstance,
    InspectInstance,
    OperationFailed,
    OperationView,
    Outcome,
    RemoveInstance,
    Result,
    StartFailed,
    StartInstance,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterable, Mapping

    from ring.clock import Clock

log = logging.getLogger(__name__)

PATIENCE_S = 15.0
"""Longer than a start or a stop with its grace takes: it waits for something, and works no more."""
CLEAN_UP_S = 2.0  # for what a drain gave up; the ledger tells the next server about the rest
CANCELLED = Failure(FailureClass.CANCELLED, "given up before it was done")


class Executor(Protocol):
    """Carries one action out."""

    async def prepare(self, action: StartInstance) -> Result | None:
        """What a start needs and no lane bounds: a pull may take as long as it takes.

        None: ready to run; otherwise how the operation ends already.
        """
        ...

    async def run(self, action: Action) -> Result: ...

    def forget(self, action: StartInstance) -> None:
        """What was prepared is not run after all."""
        ...

    async def clean_up(self, action: Action) -> bool:
        """Removes what a cancelled start may have made; True: nothing is left for certain."""
        ...


@dataclass(slots=True, eq=False)
class _Operation:
    id: OperationId
    key: GroupKey
    action: Action
    since: float
    preparing: asyncio.Task[Result | None] | None = None
    task: asyncio.Task[Result] | None = None
    cancelled: bool = False


@dataclass(slots=True)
class _Lane:
    width: int
    running: Counter[GroupKey] = field(default_factory=Counter)
    stuck: Counter[GroupKey] = field(default_factory=Counter)
    """Those that hold no place any more."""
    turns: deque[GroupKey] = field(default_factory=deque)
    waiting: dict[GroupKey, deque[_Operation]] = field(default_factory=dict)

    def add(self, operation: _Operation) -> None:
        if operation.key not in self.waiting:
            self.waiting[operation.key] = deque()
            self.turns.append(operation.key)
        self.waiting[operation.key].append(operation)

    def take(self) -> _Operation | None:
        """The next one, which has a place from now on."""
        if self.running.total() >= self.width:
            return None
        key = next(filter(self._has_turn, self.turns), None)
        if key is None:
            return None
        self.turns.remove(key)
        queue = self.waiting[key]
        operation = queue.popleft()
        if queue:
            self.turns.append(key)
        else:
            del self.waiting[key]
        self.running[key] += 1
        return operation

    def _has_turn(self, key: GroupKey) -> bool:
        """A group whose operations hang would take every place, one patience after the other."""
        return not self.stuck[key] or self.stuck[key] + self.running[key] < self.width

    def lend(self, key: GroupKey) -> None:
        """The place of one that hangs is free."""
        self.leave(key, is_stuck=False)
        self.stuck[key] += 1

    def leave(self, key: GroupKey, *, is_stuck: bool) -> None:
        counts = self.stuck if is_stuck else self.running
        counts[key] -= 1
        if not counts[key]:
            del counts[key]

    def __contains__(self, operation: _Operation) -> bool:
        return operation in self.waiting.get(operation.key, ())

    def discard(self, operation: _Operation) -> None:
        queue = self.waiting[operation.key]
        queue.remove(operation)
        if not queue:
            del self.waiting[operation.key]
            self.turns.remove(operation.key)


class Operations:
    """Begins, bounds, cancels; keeps outcomes until a committed plan has taken them in."""

    def __init__(
        self,
        clock: Clock,
        executor: Executor,
        *,
        spawn: Callable[[Coroutine[None, None, None]], object],
        ended: Callable[[GroupKey], None],
        widths: Mapping[str, int],
    ) -> None:
        self._clock = clock
        self._executor = executor
        self._spawn = spawn
        self._ended = ended
        self._widths = widths
        self._lanes: dict[tuple[str, str], _Lane] = {}
        self._by_group: dict[GroupKey, dict[OperationId, _Operation]] = {}
        self._outcomes: dict[GroupKey, list[Outcome]] = {}
        self._lane_of: dict[OperationId, _Lane] = {}
        self._count = 0
        self._idle = asyncio.Event()
        self._idle.set()

    def in_flight(self, key: GroupKey) -> tuple[OperationView, ...]:
        return tuple(
            OperationView(op.id, op.action, begun=op.task is not None, since=op.since)
            for op in self._by_group.get(key, {}).values()
        )

    def outcomes(self, key: GroupKey) -> tuple[Outcome, ...]:
        """Those not yet forgotten, in the order in which they ended."""
        return tuple(self._outcomes.get(key, ()))

    def forget(self, key: GroupKey, folded: Iterable[OperationId]) -> None:
        """These outcomes are part of a committed plan."""
        gone = set(folded)
        left = [o for o in self._outcomes.get(key, ()) if o.id not in gone]
        if left:
            self._outcomes[key] = left
        else:
            self._outcomes.pop(key, None)

    def begin(self, key: GroupKey, runtime: str, action: Action) -> None:
        """Prepares the action and puts it into its lane; its outcome comes later, in any case."""
        self._count += 1
        operation = _Operation(OperationId(self._count), key, action, self._clock.mono())
        self._by_group.setdefault(key, {})[operation.id] = operation
        self._idle.clear()
        lane = self._lane(runtime, action)
        self._lane_of[operation.id] = lane
        if isinstance(action, StartInstance):
            operation.preparing = asyncio.ensure_future(self._executor.prepare(action))
            self._attended(operation.preparing, self._prepare(operation, action, lane))
        else:
            lane.add(operation)
            self._serve(lane)

    def cancel(self, key: GroupKey, operation_id: OperationId) -> None:
        """Gives an operation up; its outcome says whether something may be left of it."""
        operation = self._by_group.get(key, {}).get(operation_id)
        if operation is None or operation.cancelled:
            return
        operation.cancelled = True
        if operation.task is not None:
            operation.task.cancel()
        elif operation.preparing is not None and not operation.preparing.done():
            operation.preparing.cancel()
        elif operation in self._lane_of[operation_id]:
            self._lane_of[operation_id].discard(operation)
            self._never_run(operation)

    async def drain(self, limit_s: float) -> None:
        """Lets what runs finish, at most limit_s seconds; gives up the rest and cleans it up."""
        for group in list(self._by_group.values()):
            for operation in list(group.values()):
                if operation.task is None:
                    self.cancel(operation.key, operation.id)
        try:
            async with asyncio.timeout(limit_s):
                await self._idle.wait()
        except TimeoutError:
            for group in list(self._by_group.values()):
                for operation in list(group.values()):
                    self.cancel(operation.key, operation.id)
            with suppress(TimeoutError):
                async with asyncio.timeout(CLEAN_UP_S):
                    await self._idle.wait()

    def _lane(self, runtime: str, action: Action) -> _Lane:
        match action:
            case StartInstance():
                name = "starts"
            case RemoveInstance():
                name = "stops"
            case InspectInstance() | AttachInstance():
                name = "rest"
        found = self._lanes.get((runtime, name))
        if found is None:
            found = self._lanes[runtime, name] = _Lane(self._widths[name])
        return found

    def _serve(self, lane: _Lane) -> None:
        while (operation := lane.take()) is not None:
            task = operation.task = asyncio.ensure_future(self._executor.run(operation.action))
            self._attended(task, self._attend(operation, task, lane))

    def _attended(self, task: asyncio.Task[object], attendant: Coroutine[None, None, None]) -> None:
        try:
            self._spawn(attendant)
        except RuntimeError:  # on the way down
            task.cancel()
            raise

    async def _prepare(self, operation: _Operation, action: StartInstance, lane: _Lane) -> None:
        task = operation.preparing
        assert task is not None  # noqa: S101 - set by the only caller
        try:
            await asyncio.wait((task,))
        finally:
            task.cancel()  # without effect when it is done
        if operation.cancelled:
            self._never_run(operation)
        elif (error := task.exception()) is not None:
            self._finish(operation, _broken(operation, error))
        elif (result := task.result()) is not None:
            self._finish(operation, result)
        else:
            lane.add(operation)
            self._serve(lane)

    def _never_run(self, operation: _Operation) -> None:
        """Nothing was asked of the engine, unless an earlier attempt had got somewhere."""
        resumed = False
        if isinstance(operation.action, StartInstance):
            self._executor.forget(operation.action)
            resumed = operation.action.resume
        self._finish(operation, _cancelled(operation.action, clean=not resumed))

    async def _attend(self, operation: _Operation, task: asyncio.Task[Result], lane: _Lane) -> None:
        is_stuck = False
        try:
            done, _ = await asyncio.wait((task,), timeout=PATIENCE_S)
            if not done:
                is_stuck = True
                lane.lend(operation.key)
                self._serve(lane)
            await asyncio.wait((task,))
        finally:
            task.cancel()  # whoever attends to it is given up; without effect when it is done
        result = await self._result(operation, task)
        lane.leave(operation.key, is_stuck=is_stuck)
        self._serve(lane)
        self._finish(operation, result)

    async def _result(self, operation: _Operation, task: asyncio.Task[Result]) -> Result:
        if task.cancelled():
            return _cancelled(operation.action, clean=await self._clean_up(operation.action))
        error = task.exception()
        if error is None:
            return task.result()
        return _broken(operation, error)

    async def _clean_up(self, action: Action) -> bool:
        try:
            return await self._executor.clean_up(action)
        except Exception:
            # The operation must end whatever the adapter does, or its lane is one place narrower.
            log.exception("cleaning up after %s failed", action)
            return False

    def _finish(self, operation: _Operation, result: Result) -> None:
        group = self._by_group[operation.key]
        del group[operation.id]
        if not group:
            del self._by_group[operation.key]
        del self._lane_of[operation.id]
        self._outcomes.setdefault(operation.key, []).append(
            Outcome(operation.id, operation.action, result, operation.since, self._clock.mono())
        )
        if not self._by_group:
            self._idle.set()
        self._ended(operation.key)


def _broken(operation: _Operation, error: BaseException) -> Result:
    log.error("operation %s of %s failed", operation.action, operation.key, exc_info=error)
    failure = Failure(FailureClass.OTHER, f"internal error: {type(error).__name__}")
    if isinstance(operation.action, StartInstance):
        return StartFailed(failure, clean=False)
    return OperationFailed(failure)


def _cancelled(action: Action, *, clean: bool) -> Result:
    if isinstance(action, StartInstance):
        return StartFailed(CANCELLED, clean=clean)
    return OperationFailed(CANCELLED)
