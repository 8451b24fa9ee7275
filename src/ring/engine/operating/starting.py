"""Brings one instance up: what it needs first, then create and start, nothing left on failure.

Preparing (memory, image) is apart from running, because a pull takes as long as it takes and
must not hold a place among the starts.
"""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ring.core.errors import HostError
from ring.core.model.events import EventDraft, Level
from ring.core.model.failures import Failure, FailureClass
from ring.core.model.observed import State
from ring.core.model.operations import Result, Started, StartFailed
from ring.core.model.spec import SecretRef
from ring.engine.operating.admission import Admission, Promise
from ring.engine.operating.removing import clear
from ring.engine.operating.resolving import Unresolved, has_files
from ring.runtimes.base import File, Gone, Image, NameTaken, Order, RuntimeFailure

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Coroutine, Mapping

    from ring.clock import Clock
    from ring.core.model.deployment import Deployment
    from ring.core.model.ids import DeploymentId, InstanceName
    from ring.core.model.observed import Instance
    from ring.core.model.operations import StartInstance
    from ring.core.plan.view import Limits
    from ring.engine.journal import Journal
    from ring.engine.operating.files import Files
    from ring.engine.operating.resolving import Resolved, Resolver
    from ring.runtimes.base import Runtime


FINISH_S = 1.0  # less than a drain leaves for cleaning up (operations.CLEAN_UP_S)


@dataclass(frozen=True, slots=True)
class _Prepared:
    found: Instance | None
    """What an earlier attempt under this name has made."""
    image: Image | None
    promise: Promise
    used_s: float
    """How much of the deadline is gone."""
    resolved: Resolved | None
    """What the spec refers to; None where an instance was found."""


class Starter:
    """Starts instances of any runtime; what is prepared waits here under its name."""

    def __init__(
        self,
        server_id: str,
        clock: Clock,
        admission: Admission,
        *,
        resolver: Resolver,
        files: Files,
        journal: Journal,
        limits: Limits,
        default_host_ip: str | None,
    ) -> None:
        self._server_id = server_id
        self._clock = clock
        self._admission = admission
        self._limits = limits
        self._default_host_ip = default_host_ip
        self._resolver = resolver
        self._files = files
        self._journal = journal
        self._copied: set[DeploymentId] = set()
        """Rows that have told that their files are copied, not mounted."""
        self._images: dict[DeploymentId, _RowImage] = {}
        self._prepared: dict[InstanceName, _Prepared] = {}

    async def prepare(
        self, action: StartInstance, row: Deployment, runtime: Runtime
    ) -> Result | None:
        """Finds what is there, keeps the memory, looks up what the row refers to and its image.

        None: ready to run.
        """
        began = self._clock.mono()
        promise = Promise()
        resolved = None
        try:
            async with asyncio.timeout(self._limits.apply_timeout_s):
                found = await _resumed(action, row, runtime) if action.resume else None
                image = None
                if not runtime.is_remote and (found is None or not found.is_live):
                    promise = self._admission.admit(row.spec)
                if found is None:
                    resolved = await self._resolver.resolve(row)
                    await self._resolver.register_volumes(row)
                    image = await self._image(row, runtime, resolved)
        except TimeoutError:
            promise.release()
            return StartFailed(self._late(action), clean=not action.resume)
        except Unresolved as error:
            promise.release()
            return StartFailed(error.failure, clean=not action.resume, inputs=error.inputs)
        except RuntimeFailure as error:
            promise.release()
            return StartFailed(_told(error, resolved), clean=not action.resume)
        except BaseException:
            promise.release()
            raise
        used_s = self._clock.mono() - began
        self._prepared[action.name] = _Prepared(found, image, promise, used_s, resolved)
        return None

    def forget(self, action: StartInstance) -> None:
        """What was prepared under this name is not run."""
        prepared = self._prepared.pop(action.name, None)
        if prepared is not None:
            prepared.promise.release()

    async def run(self, action: StartInstance, row: Deployment, runtime: Runtime) -> Result:
        """Creates and starts what was prepared."""
        prepared = self._prepared.pop(action.name)
        left_s = max(self._limits.apply_timeout_s - prepared.used_s, 0.0)
        try:
            async with asyncio.timeout(left_s):
                return Started(await self._bring_up(action, row, runtime, prepared))
        except TimeoutError:
            return StartFailed(self._late(action), clean=await clear(runtime, action))
        except RuntimeFailure as error:
            away = error.failure.kind is FailureClass.UNAVAILABLE
            failure = _told(error, prepared.resolved)
            return StartFailed(failure, clean=not away and await clear(runtime, action))
        finally:
            prepared.promise.release()

    async def _bring_up(
        self, action: StartInstance, row: Deployment, runtime: Runtime, prepared: _Prepared
    ) -> Instance:
        found = prepared.found
        if found is None:
            await runtime.ensure_network(row.spec.namespace)
            found = await self._create(action, row, runtime, prepared)
        if found.state is State.EXITED:
            raise RuntimeFailure(
                FailureClass.OTHER, f"An instance named {action.name} had ended already"
            )
        try:
            if not found.is_live:
                await runtime.start(found.id)
            return await runtime.inspect(found.id)
        except Gone as error:
            raise RuntimeFailure(
                FailureClass.OTHER,
                f"Instance {action.name} was removed from outside while it came up",
            ) from error

    async def _create(
        self, action: StartInstance, row: Deployment, runtime: Runtime, prepared: _Prepared
    ) -> Instance:
        image, resolved = prepared.image, prepared.resolved
        assert image is not None  # noqa: S101 - prepared whenever nothing was found
        assert resolved is not None  # noqa: S101 - the same
        order = Order(
            name=action.name,
            deployment_id=row.id,
            server_id=self._server_id,
            spec=row.spec,
            image=image,
            environment=environment(row, action, resolved.secrets),
            default_host_ip=self._default_host_ip,
            files=await self._placed(row, runtime, resolved),
        )
        try:
            return await _finished(runtime.create(order))
        except NameTaken as error:
            # An earlier request under this name was carried out after its client had gone.
            found = await runtime.find(action.name)
            if found is None or found.deployment_id != row.id:
                raise RuntimeFailure(FailureClass.OTHER, error.message) from error
            if _may_lack_files(found, row, runtime):
                await runtime.remove(found.id)
                message = f"Instance {action.name} was made without all its files; it is removed"
                raise RuntimeFailure(FailureClass.OTHER, message) from error
            return found

    def gone(self, deployment_id: DeploymentId) -> None:
        """The row is purged."""
        self._copied.discard(deployment_id)

    async def _placed(
        self, row: Deployment, runtime: Runtime, resolved: Resolved
    ) -> tuple[File, ...]:
        """The row's files where the engine finds them. Raises RuntimeFailure(FILE_SYSTEM)."""
        if runtime.is_remote:
            self._tell_copied(row, runtime, resolved)
            return tuple(File(at, content, None) for at, content in resolved.contents.items())
        try:
            return tuple(
                [
                    File(at, content, await self._files.keep(row.id, content))
                    for at, content in resolved.contents.items()
                ]
            )
        except (HostError, FileNotFoundError) as error:
            raise RuntimeFailure(FailureClass.FILE_SYSTEM, str(error)) from error

    def _tell_copied(self, row: Deployment, runtime: Runtime, resolved: Resolved) -> None:
        if not resolved.contents or row.id in self._copied:
            return
        self._copied.add(row.id)
        message = (
            "The engine is on another host, so configs and secrets are copied into the instances "
            "instead of mounted read-only: a privileged process inside can change its copy"
        )
        event = EventDraft(row.id, Level.WARNING, "files_copied", message, runtime.name)
        self._journal.put(event)

    async def _image(self, row: Deployment, runtime: Runtime, resolved: Resolved) -> Image:
        """The row's image: whoever comes first finds it out, the others take the same digest."""
        async with self._row_image(row.id) as shared:
            pin = row.image_digest or shared.digest
            if resolved.broken_login is None or row.spec.pull_policy == "Never":
                image = await runtime.resolve_image(
                    row.spec.image, row.spec.pull_policy, pin, resolved.login
                )
            else:
                image = await _local_image(row, runtime, pin, resolved.broken_login)
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

    def _late(self, action: StartInstance) -> Failure:
        return Failure(
            FailureClass.TIMEOUT,
            f"Instance {action.name} did not come up within "
            f"{self._limits.apply_timeout_s:g} seconds; it is given up and tried again",
        )


async def _resumed(action: StartInstance, row: Deployment, runtime: Runtime) -> Instance | None:
    """What an earlier attempt under this name has made, unless something of it may be missing."""
    found = await runtime.find(action.name)
    if found is None or not _may_lack_files(found, row, runtime):
        return found
    await runtime.remove(found.id)
    return None


def _may_lack_files(found: Instance, row: Deployment, runtime: Runtime) -> bool:
    """Files are copied after the create: whoever was killed in between has left it without."""
    is_new = found.state is State.CREATED and found.deployment_id == row.id
    return is_new and runtime.is_remote and has_files(row)


async def _local_image(row: Deployment, runtime: Runtime, pin: str | None, why: str) -> Image:
    """The image as far as it needs no login. Raises RuntimeFailure(IMAGE_PULL_FAILED): why not."""
    is_asked_for = row.spec.pull_policy == "Always" and pin is None and "@" not in row.spec.image
    if is_asked_for:
        raise RuntimeFailure(FailureClass.IMAGE_PULL_FAILED, why)
    try:
        return await runtime.resolve_image(row.spec.image, "Never", pin)
    except RuntimeFailure as error:
        if error.failure.kind is not FailureClass.IMAGE_NOT_FOUND:
            raise
        raise RuntimeFailure(FailureClass.IMAGE_PULL_FAILED, why) from error


def _told(error: RuntimeFailure, resolved: Resolved | None) -> Failure:
    """What may be said of it: an engine quotes what it was given."""
    return error.failure if resolved is None else resolved.scrub(error.failure)


async def _finished(create: Coroutine[None, None, Instance]) -> Instance:
    """A create as far as it goes: an engine finishes what it has begun, whoever still waits.

    Given up in the middle, there would be nothing to be found yet, and something a moment later.
    """
    creating = asyncio.ensure_future(create)
    try:
        return await asyncio.shield(creating)
    except asyncio.CancelledError:
        await asyncio.wait((creating,), timeout=FINISH_S)
        raise
    finally:
        creating.cancel()  # without effect when it is done
        await asyncio.gather(creating, return_exceptions=True)


class _RowImage:
    """What the creates of one row that are in flight together know of its image."""

    def __init__(self) -> None:
        self.lock = asyncio.Lock()
        self.digest: str | None = None
        self.users = 0


def environment(
    row: Deployment, action: StartInstance, secrets: Mapping[str, str]
) -> dict[str, str]:
    """What the instance gets: Ring's own names first, the user's win. Values are taken as they
    are."""
    own = {
        "RING_NAMESPACE": row.spec.namespace,
        "RING_DEPLOYMENT": row.spec.name,
        "RING_INSTANCE": action.name,
    }
    given = {
        name: secrets[name] if isinstance(value, SecretRef) else value
        for name, value in row.spec.environment.items()
    }
    return {**own, **given}
