"""Brings one instance up: what it needs first, then create and start, nothing left on failure.

Preparing (memory, image) is apart from running, because a pull takes as long as it takes and
must not hold a place among the starts.
"""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ring.core.errors import HostError
from ring.core.model.failures import Failure, FailureClass
from ring.core.model.observed import State
from ring.core.model.operations import Result, Started, StartFailed
from ring.core.model.spec import SecretRef
from ring.core.model.stock import Origin
from ring.engine.keeping.claims import Claims
from ring.engine.operating.admission import Admission, Promise
from ring.engine.operating.imaging import image_of
from ring.engine.operating.pull_news import PullNews
from ring.engine.operating.removing import clear, is_made_by
from ring.engine.operating.resolving import Unresolved, has_files
from ring.engine.operating.writable import Binds
from ring.runtimes.base import File, Gone, Image, NameTaken, Order, RuntimeFailure

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping

    from ring.clock import Clock
    from ring.core.model.deployment import Deployment
    from ring.core.model.ids import DeploymentId, InstanceName
    from ring.core.model.observed import Instance
    from ring.core.model.operations import StartInstance
    from ring.core.plan.view import Limits
    from ring.engine.journal import Journal
    from ring.engine.keeping.claims import Hold
    from ring.engine.operating.files import Files
    from ring.engine.operating.resolving import Resolved, Resolver
    from ring.engine.operating.warnings import Warnings
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
    hold: Hold | None
    """Keeps the image until there is a container that does."""

    def release(self) -> None:
        self.promise.release()
        if self.hold is not None:
            self.hold.release()


async def _nobody_told(_: object, __: object) -> None:
    return


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
        warnings: Warnings,
        limits: Limits,
        host_ip_of: Callable[[str], str | None],
        claims: Claims | None = None,
        pulled: Callable[[Deployment, Image], Awaitable[None]] = _nobody_told,
        made: Callable[[Runtime, Instance], Awaitable[None]] = _nobody_told,
    ) -> None:
        """host_ip_of: the address in a namespace of ports that name none.

        claims: keeps images while they are needed. pulled: is told of what a registry gave.

        made: is told of an instance between its create and its start.
        """
        self._claims = claims or Claims()
        self._pulled = pulled
        self._server_id = server_id
        self._clock = clock
        self._admission = admission
        self._limits = limits
        self._host_ip_of = host_ip_of
        self._made = made
        self._resolver = resolver
        self._files = files
        self.pull_news = PullNews(journal)
        self._warnings = warnings
        self._binds = Binds(journal)
        self._images: dict[DeploymentId, _RowImage] = {}
        self._prepared: dict[InstanceName, _Prepared] = {}
        self._cut_off: dict[InstanceName, Instance] = {}
        """What starts had made that were cancelled, until it is cleaned up."""

    async def prepare(
        self, action: StartInstance, row: Deployment, runtime: Runtime
    ) -> Result | None:
        """Finds what is there, keeps the memory, looks up what the row refers to and its image.

        None: ready to run.
        """
        began = self._clock.mono()
        promise = Promise()
        resolved = hold = None
        try:
            async with asyncio.timeout(self._limits.apply_timeout_s):
                found = await _resumed(action, row, runtime) if action.resume else None
                image = None
                is_to_run = found is None or found.state is State.CREATED
                if is_to_run and not runtime.is_remote:
                    promise = self._admission.admit(row.spec)
                if found is None:
                    resolved = await self._resolver.resolve(row)
                    await self._resolver.register_volumes(row)
                    image, hold = await self._image(row, runtime, resolved)
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
        self._prepared[action.name] = _Prepared(found, image, promise, used_s, resolved, hold)
        return None

    def forget(self, action: StartInstance) -> None:
        """What was prepared under this name is not run."""
        prepared = self._prepared.pop(action.name, None)
        if prepared is not None:
            prepared.release()

    async def run(self, action: StartInstance, row: Deployment, runtime: Runtime) -> Result:
        """Creates and starts what was prepared."""
        prepared = self._prepared.pop(action.name)
        left_s = max(self._limits.apply_timeout_s - prepared.used_s, 0.0)
        made = prepared.found
        try:
            async with asyncio.timeout(left_s):
                if made is None:
                    made = await self._create(action, row, runtime, prepared)
                return Started(await self._bring_up(action, row, runtime, made))
        except TimeoutError:
            # A job may have run: it is looked for, and not made again before that is known.
            clean = not row.is_job and await clear(runtime, action, made)
            return StartFailed(self._late(action), clean=clean)
        except RuntimeFailure as error:
            away = error.failure.kind is FailureClass.UNAVAILABLE
            failure = _told(error, prepared.resolved)
            return StartFailed(failure, clean=not away and await clear(runtime, action, made))
        except asyncio.CancelledError:
            if made is not None:
                self._cut_off[action.name] = made
            raise
        finally:
            prepared.release()

    async def clean_up(self, action: StartInstance, row: Deployment, runtime: Runtime) -> bool:
        """Removes what a start that was cancelled may have made; True: nothing is left of it."""
        made = self._cut_off.pop(action.name, None)
        if row.is_job and not row.is_deleted:
            return False  # it may have run: the next server looks for it
        return await clear(runtime, action, made)

    async def _bring_up(
        self, action: StartInstance, row: Deployment, runtime: Runtime, found: Instance
    ) -> Instance:
        if found.state is State.EXITED:
            if row.is_job:
                return found
            raise RuntimeFailure(
                FailureClass.OTHER, f"An instance named {action.name} had ended already"
            )
        await self._made(runtime, found)
        try:
            if not found.is_live:
                await runtime.start(found.id)
            await self._binds.look(row, runtime, found)
            if row.is_job:
                return await _started_job(runtime, found)
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
        if row.spec.network_mode == "bridge":
            await runtime.ensure_network(row.spec.namespace)
            self._warnings.of_network(row, runtime)
        self._warnings.of_volumes(row, runtime.name)
        order = Order(
            name=action.name,
            deployment_id=row.id,
            server_id=self._server_id,
            spec=row.spec,
            image=image,
            environment=environment(row, action, resolved.secrets),
            default_host_ip=self._host_ip_of(row.spec.namespace) if row.spec.ports else None,
            files=await self._placed(row, runtime, resolved),
        )
        try:
            return await _finished(runtime.create(order))
        except NameTaken as error:
            # An earlier request under this name was carried out after its client had gone.
            found = await runtime.find(action.name)
            if found is None or not is_made_by(action, found):
                raise RuntimeFailure(FailureClass.NAME_TAKEN, error.message) from error
            if _may_lack_files(found, row, runtime):
                await runtime.remove(found.id)
                message = f"Instance {action.name} was made without all its files; it is removed"
                raise RuntimeFailure(FailureClass.OTHER, message) from error
            return found

    def gone(self, deployment_id: DeploymentId) -> None:
        """The row is purged."""
        self._warnings.gone(deployment_id)
        self._binds.gone(deployment_id)

    async def _placed(
        self, row: Deployment, runtime: Runtime, resolved: Resolved
    ) -> tuple[File, ...]:
        """The row's files where the engine finds them. Raises RuntimeFailure(FILE_SYSTEM)."""
        if runtime.is_remote:
            if resolved.contents:
                self._warnings.of_copies(row, runtime.name)
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

    async def _image(
        self, row: Deployment, runtime: Runtime, resolved: Resolved
    ) -> tuple[Image, Hold]:
        """The row's image: whoever comes first finds it out, the others take the same digest.

        It stays on the engine until it is let go of.
        """
        async with (
            self._row_image(row.id) as shared,
            self._claims.looking(runtime.name, row.spec.image),
        ):
            pin = row.image_digest or shared.digest
            with self.pull_news.of(row, runtime):
                image = await image_of(row, runtime, resolved, pin)
            shared.digest = image.digest
            hold = self._claims.found(runtime.name, image)
            try:
                if image.origin is not Origin.HERE:
                    await self._pulled(row, image)
            except BaseException:
                hold.release()
                raise
            return image, hold

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


async def _started_job(runtime: Runtime, job: Instance) -> Instance:
    """It has run, whatever can be told of it by now: a failure here would run it again."""
    try:
        return await runtime.inspect(job.id)
    except Gone:
        return replace(job, state=State.EXITED, exit=None)
    except RuntimeFailure:
        return replace(job, state=State.RUNNING, exit=None)


async def _resumed(action: StartInstance, row: Deployment, runtime: Runtime) -> Instance | None:
    """What an earlier attempt under this name has made, unless something of it may be missing."""
    found = await runtime.find(action.name)
    if found is None or not is_made_by(action, found):
        return None  # a create tells whose the name is
    if _may_lack_files(found, row, runtime):
        await runtime.remove(found.id)
        return None
    return found


def _may_lack_files(found: Instance, row: Deployment, runtime: Runtime) -> bool:
    """Files are copied after the create: whoever was killed in between has left it without."""
    return found.state is State.CREATED and runtime.is_remote and has_files(row)


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
