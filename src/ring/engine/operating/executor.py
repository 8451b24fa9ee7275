"""Carries single actions out on a runtime and says what came of them. Decides nothing."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, assert_never

from ring.core.model.failures import Failure, FailureClass
from ring.core.model.operations import (
    Action,
    Attached,
    AttachInstance,
    Inspected,
    InspectInstance,
    OperationFailed,
    Removed,
    RemoveInstance,
    Result,
    Started,
    StartFailed,
    StartInstance,
)
from ring.engine.operating import last_words
from ring.engine.operating.removing import SHORT_CALL_S, removal_limit_s, remove
from ring.runtimes.base import Gone, RuntimeFailure

if TYPE_CHECKING:
    from collections.abc import Coroutine, Mapping

    from ring.core.model.deployment import Deployment
    from ring.core.model.ids import InstanceId
    from ring.core.model.observed import Instance
    from ring.engine.observing.observer import Observer
    from ring.engine.operating.starting import Starter
    from ring.runtimes.base import Runtime
    from ring.store.store import Store

log = logging.getLogger(__name__)

GONE = Failure(FailureClass.CANCELLED, "the deployment is gone")
INSTANCE_GONE = Failure(FailureClass.CANCELLED, "the instance is gone")
WITHOUT_EFFECT = Failure(FailureClass.OTHER, "the engine says so, but it is not on the network")
NO_ANSWER = Failure(FailureClass.UNAVAILABLE, "the runtime did not answer in time")


class RuntimeExecutor:
    """One for all runtimes. What it learns it notes with the observer before it answers."""

    def __init__(
        self,
        store: Store,
        runtimes: Mapping[str, Runtime],
        observers: Mapping[str, Observer],
        starter: Starter,
    ) -> None:
        self._store = store
        self._runtimes = runtimes
        self._observers = observers
        self._starter = starter

    async def prepare(self, action: StartInstance) -> Result | None:
        located = self._locate(action)
        if located is None or located[0].is_deleted:
            return StartFailed(GONE, clean=not action.resume)
        row, runtime, _ = located
        return await self._starter.prepare(action, row, runtime)

    async def run(self, action: Action) -> Result:
        match action:
            case StartInstance():
                return await self._start(action)
            case InspectInstance():
                return await self._inspect(action)
            case AttachInstance():
                return await self._attach(action)
            case RemoveInstance():
                return await self._remove(action)
            case _ as never:
                assert_never(never)

    def forget(self, action: StartInstance) -> None:
        self._starter.forget(action)

    async def clean_up(self, action: Action) -> bool:
        located = self._locate(action)
        if not isinstance(action, StartInstance) or located is None:
            return False
        row, runtime, observer = located
        cleared = await self._starter.clean_up(action, row, runtime)
        if cleared:
            observer.note_gone(action.name)
        return cleared

    def _locate(self, action: Action) -> tuple[Deployment, Runtime, Observer] | None:
        row = self._store.deployment(action.deployment_id)
        if row is None or row.spec.runtime not in self._runtimes:
            return None
        name = row.spec.runtime
        return row, self._runtimes[name], self._observers[name]

    async def _start(self, action: StartInstance) -> Result:
        located = self._locate(action)
        if located is None or located[0].is_deleted:
            self._starter.forget(action)
            return StartFailed(GONE, clean=not action.resume)
        row, runtime, observer = located
        result = await self._starter.run(action, row, runtime)
        if isinstance(result, Started):
            observer.note(result.instance)
        elif isinstance(result, StartFailed):
            log.info("instance %s was not started: %s", action.name, result.failure.message)
            if result.clean:
                observer.note_gone(action.name)
        return result

    async def _inspect(self, action: InspectInstance) -> Result:
        located = self._locate(action)
        if located is None:
            return OperationFailed(GONE)
        _, runtime, observer = located
        found = await self._noted(action, observer, runtime.inspect(action.instance_id))
        return found if isinstance(found, OperationFailed) else Inspected(found)

    async def _noted(
        self,
        action: InspectInstance | AttachInstance,
        observer: Observer,
        look: Coroutine[None, None, Instance],
    ) -> Instance | OperationFailed | None:
        """What a short call finds, told to the observer; None: it is gone."""
        try:
            async with asyncio.timeout(SHORT_CALL_S):
                instance = await look
        except Gone:
            observer.note_gone(action.name, action.instance_id)
            return None
        except TimeoutError:
            return OperationFailed(NO_ANSWER)
        except RuntimeFailure as error:
            return OperationFailed(error.failure)
        observer.note(instance)
        return instance

    async def _attach(self, action: AttachInstance) -> Result:
        located = self._locate(action)
        if located is None:
            return OperationFailed(GONE)
        row, runtime, observer = located

        async def attached() -> Instance:
            aliases = (row.spec.name, action.name)
            await runtime.attach(action.instance_id, row.spec.namespace, aliases)
            return await runtime.inspect(action.instance_id)

        found = await self._noted(action, observer, attached())
        if isinstance(found, OperationFailed):
            return found
        if found is None:
            return OperationFailed(INSTANCE_GONE)
        # Without effect it has failed: as a success it would be tried again at once, for ever.
        return Attached() if found.is_attached else OperationFailed(WITHOUT_EFFECT)

    async def _remove(self, action: RemoveInstance) -> Result:
        located = self._locate(action)
        if located is None:
            return OperationFailed(GONE)
        row, runtime, observer = located

        async def ended(instance_id: InstanceId) -> None:
            await last_words.save(self._store, runtime, row, action.name, instance_id)

        limit_s = removal_limit_s(action)
        try:
            async with asyncio.timeout(limit_s):
                await remove(runtime, action, ended)
        except TimeoutError:
            late = f"the runtime did not carry it out within {limit_s:g} seconds"
            return OperationFailed(Failure(FailureClass.TIMEOUT, late))
        except RuntimeFailure as error:
            return OperationFailed(error.failure)
        observer.note_gone(action.name, action.instance_id)
        return Removed()
