"""Carries single actions out on a runtime and says what came of them. Decides nothing."""

from __future__ import annotations

import asyncio
import logging
from contextlib import asynccontextmanager, nullcontext
from typing import TYPE_CHECKING, assert_never

from ring.core.model.failures import Failure, FailureClass
from ring.core.model.observed import State
from ring.core.model.operations import (
    Action,
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
from ring.core.model.spec import SecretRef
from ring.runtimes.base import Gone, Image, NameTaken, Order, RuntimeFailure, Unavailable

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from ring.core.model.deployment import Deployment
    from ring.core.model.ids import DeploymentId, InstanceId
    from ring.core.model.observed import Instance
    from ring.core.plan.view import Limits
    from ring.engine.admission import Admission
    from ring.engine.observer import Observer
    from ring.runtimes.base import Runtime
    from ring.store.store import Store

log = logging.getLogger(__name__)

SHORT_CALL_S = 30.0
CLEAN_UP_S = 15.0


class RuntimeExecutor:
    """One for all runtimes. What it learns it notes with the observer before it answers."""

    def __init__(
        self,
        store: Store,
        runtimes: Mapping[str, Runtime],
        observers: Mapping[str, Observer],
        *,
        admission: Admission,
        limits: Limits,
        default_host_ip: str | None,
    ) -> None:
        self._store = store
        self._runtimes = runtimes
        self._observers = observers
        self._admission = admission
        self._limits = limits
        self._default_host_ip = default_host_ip
        self._images: dict[DeploymentId, _RowImage] = {}

    async def run(self, action: Action) -> Result:
        match action:
            case StartInstance():
                return await self._start(action)
            case InspectInstance():
                return await self._inspect(action)
            case RemoveInstance():
                return await self._remove(action)
            case _ as never:
                assert_never(never)

    async def clean_up(self, action: Action) -> bool:
        if not isinstance(action, StartInstance):
            return False
        located = self._locate(action)
        if located is None:
            return False
        _, runtime, observer = located
        try:
            async with asyncio.timeout(CLEAN_UP_S):
                found = await runtime.find(action.name)
                if found is not None and found.deployment_id == action.deployment_id:
                    await _stop(runtime, found.id, 0)
                    await runtime.remove(found.id)
                    observer.note_gone(action.name)
        except (TimeoutError, RuntimeFailure):
            return False
        return True

    def _locate(self, action: Action) -> tuple[Deployment, Runtime, Observer] | None:
        row = self._store.deployment(action.deployment_id)
        if row is None or row.spec.runtime not in self._runtimes:
            return None
        name = row.spec.runtime
        return row, self._runtimes[name], self._observers[name]

    # start
    async def _start(self, action: StartInstance) -> Result:
        located = self._locate(action)
        if located is None or located[0].is_deleted:
            return StartFailed(
                Failure(FailureClass.CANCELLED, "the deployment is gone"), clean=not action.resume
            )
        row, runtime, observer = located
        try:
            async with asyncio.timeout(self._limits.apply_timeout_s):
                started = await self._bring_up(action, row, runtime)
        except TimeoutError:
            failure = Failure(
                FailureClass.TIMEOUT,
                f"Instance {action.name} did not come up within "
                f"{self._limits.apply_timeout_s:g} seconds; it is given up and tried again",
            )
            return StartFailed(failure, clean=await self.clean_up(action))
        except RuntimeFailure as error:
            away = error.failure.kind is FailureClass.UNAVAILABLE
            return StartFailed(error.failure, clean=not away and await self.clean_up(action))
        observer.note(started.instance)
        return started

    async def _bring_up(self, action: StartInstance, row: Deployment, runtime: Runtime) -> Started:
        found = await runtime.find(action.name) if action.resume else None
        admitted = nullcontext() if runtime.is_remote else self._admission.admitted(row.spec)
        with admitted:
            image: Image | None = None
            if found is None:
                image = await self._image(row, runtime)
                await runtime.ensure_network(row.spec.namespace)
                found = await self._create(action, row, runtime, image)
            if found.state is State.EXITED:
                raise RuntimeFailure(
                    FailureClass.OTHER, f"An instance named {action.name} had ended already"
                )
            if not found.is_live:
                await self._start_created(runtime, found.id, action)
            instance = await self._look(runtime, found.id, action)
        return Started(instance, image.digest if image else None)

    async def _create(
        self, action: StartInstance, row: Deployment, runtime: Runtime, image: Image
    ) -> Instance:
        order = Order(
            name=action.name,
            deployment_id=row.id,
            server_id=self._store.server_id,
            spec=row.spec,
            image=image,
            environment=environment(row, action),
            default_host_ip=self._default_host_ip,
        )
        try:
            return await runtime.create(order)
        except NameTaken as error:
            # An earlier request under this name was carried out after its client had gone.
            found = await runtime.find(action.name)
            if found is None or found.deployment_id != row.id:
                raise RuntimeFailure(FailureClass.OTHER, error.message) from error
            return found

    async def _start_created(
        self, runtime: Runtime, instance_id: InstanceId, action: StartInstance
    ) -> None:
        try:
            await runtime.start(instance_id)
        except Gone as error:
            raise _vanished(action) from error

    async def _look(
        self, runtime: Runtime, instance_id: InstanceId, action: StartInstance
    ) -> Instance:
        try:
            return await runtime.inspect(instance_id)
        except Gone as error:
            raise _vanished(action) from error

    async def _image(self, row: Deployment, runtime: Runtime) -> Image:
        """The row's image: whoever comes first finds it out, the others take the same digest."""
        async with self._row_image(row.id) as shared:
            image = await runtime.resolve_image(
                row.spec.image, row.spec.pull_policy, row.image_digest or shared.digest
            )
            shared.digest = image.digest
            return image

    @asynccontextmanager
    async def _row_image(self, row: DeploymentId) -> AsyncIterator[_RowImage]:
        shared = self._images.setdefault(row, _RowImage())
        shared.users += 1
        try:
            async with shared.lock:
                yield shared
        finally:
            shared.users -= 1
            if not shared.users:
                self._images.pop(row, None)

    # inspect and remove
    async def _inspect(self, action: InspectInstance) -> Result:
        located = self._locate(action)
        if located is None:
            return OperationFailed(Failure(FailureClass.CANCELLED, "the deployment is gone"))
        _, runtime, observer = located
        try:
            async with asyncio.timeout(SHORT_CALL_S):
                instance = await runtime.inspect(action.instance_id)
        except Gone:
            observer.note_gone(action.name)
            return Inspected(None)
        except TimeoutError:
            return OperationFailed(_no_answer())
        except RuntimeFailure as error:
            return OperationFailed(error.failure)
        observer.note(instance)
        return Inspected(instance)

    async def _remove(self, action: RemoveInstance) -> Result:
        located = self._locate(action)
        if located is None:
            return OperationFailed(Failure(FailureClass.CANCELLED, "the deployment is gone"))
        _, runtime, observer = located
        try:
            async with asyncio.timeout(action.grace_s + SHORT_CALL_S):
                await remove(runtime, action)
        except TimeoutError:
            return OperationFailed(_no_answer())
        except RuntimeFailure as error:
            return OperationFailed(error.failure)
        observer.note_gone(action.name)
        return Removed()


class _RowImage:
    """What the creates of one row that are in flight together know of its image."""

    def __init__(self) -> None:
        self.lock = asyncio.Lock()
        self.digest: str | None = None
        self.users = 0


async def remove(runtime: Runtime, action: RemoveInstance) -> None:
    """Stops and removes; gone already is success. Raises RuntimeFailure."""
    instance_id = action.instance_id
    if instance_id is None:
        found = await runtime.find(action.name)
        if found is None or found.deployment_id != action.deployment_id:
            return
        instance_id = found.id
    if action.stop:
        await _stop(runtime, instance_id, action.grace_s)
    await runtime.remove(instance_id)


async def _stop(runtime: Runtime, instance_id: InstanceId, grace_s: float) -> None:
    """An instance that cannot be stopped is still to be removed, by force then."""
    try:
        await runtime.stop(instance_id, grace_s)
    except Unavailable:
        raise
    except RuntimeFailure as error:
        log.info("instance %s cannot be stopped: %s", instance_id[:12], error)


def environment(row: Deployment, action: StartInstance) -> dict[str, str]:
    """What the instance gets: Ring's own names first, the user's win."""
    own = {
        "RING_NAMESPACE": row.spec.namespace,
        "RING_DEPLOYMENT": row.spec.name,
        "RING_INSTANCE": action.name,
    }
    plain = {
        name: value
        for name, value in row.spec.environment.items()
        if not isinstance(value, SecretRef)
    }
    return {**own, **plain}


def _vanished(action: StartInstance) -> RuntimeFailure:
    return RuntimeFailure(
        FailureClass.OTHER, f"Instance {action.name} was removed from outside while it came up"
    )


def _no_answer() -> Failure:
    return Failure(FailureClass.UNAVAILABLE, "the runtime did not answer in time")
