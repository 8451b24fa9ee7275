"""Images: which one a reference means under its pull policy, and getting it here.

containerd asks no registry itself: Ring does, and leaves it what it got, recorded under the names
that other clients of containerd would give it.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from ring.core.model.failures import FailureClass
from ring.core.model.stock import HeldImage, Origin
from ring.runtimes.base import Image, RuntimeFailure
from ring.runtimes.containerd import methods
from ring.runtimes.containerd.api import containers_pb2
from ring.runtimes.containerd.bringing import Bringing
from ring.runtimes.containerd.client import CALL_TIMEOUT_S, Already, Locked, NotThere, Refused
from ring.runtimes.containerd.content import Content, Damaged
from ring.runtimes.containerd.fetching import Fetching
from ring.runtimes.containerd.leases import Leases
from ring.runtimes.containerd.progress import Progress
from ring.runtimes.containerd.records import Records
from ring.runtimes.containerd.unpacking import Unpacking
from ring.runtimes.distribution.problems import RegistryProblem
from ring.runtimes.images import references, refusals
from ring.runtimes.images.pulls import SharedPulls
from ring.runtimes.images.refusals import Cause

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ring.core.model.spec import PullPolicy
    from ring.runtimes.base import Login, PullProgress
    from ring.runtimes.containerd.client import Client
    from ring.runtimes.containerd.image_config import ImageConfig
    from ring.runtimes.distribution.client import Registries
    from ring.runtimes.distribution.descriptors import Descriptor
    from ring.runtimes.images.references import Reference

_NEVER: Final = "image_pull_policy=Never forbids a pull"


@dataclass(frozen=True, slots=True)
class _Pulled:
    target: Descriptor
    origin: Origin


class Images:
    """Resolves references on one containerd."""

    def __init__(self, client: Client, registries: Registries, snapshotter: str) -> None:
        self._client = client
        self._registries = registries
        self._records = Records(client)
        self._content = Content(client)
        self._bringing = Bringing(self._content, Unpacking(client, snapshotter), Leases(client))
        self._pulls = SharedPulls[_Pulled]()
        self._progress: dict[str, Progress] = {}
        """Of pulls in flight, by the reference as it was written; of several the last."""
        self._sizes: dict[str, int] = {}
        """Of images by their digest, once they have been read."""
        self._configs: dict[str, ImageConfig] = {}
        """In the same way."""

    async def close(self) -> None:
        """Ends the pulls; what they brought so far is kept for a day."""
        await self._pulls.close()

    async def resolve(
        self, written: str, policy: PullPolicy, pin: str | None, login: Login | None = None
    ) -> Image:
        """See Runtime.resolve_image. The image's `ref` is the name of a record of containerd's."""
        shown = references.parse(written)
        reference = shown.at(pin) if pin is not None else shown
        # `Always` asks the registry, but for a digest there is nothing to ask.
        if policy != "Always" or reference.digest:
            with _translated(shown, login):
                target = await self._here(reference)
            if target is not None:
                await self._completed(target, reference, shown, policy, login)
                return _image(reference, _Pulled(target, Origin.HERE))
        if policy == "Never":
            raise refusals.not_found(shown, f"it is not present on the engine, and {_NEVER}")
        key = (written, reference.version, login)
        pulled = await self._pulls.join(
            key, reference.registry, lambda: self._pull(reference, shown, login)
        )
        return _image(reference, pulled)

    def progress(self, written: str) -> PullProgress | None:
        """See Pulls.pull_progress."""
        progress = self._progress.get(written)
        return progress.told() if progress is not None else None

    async def remote_digest(self, written: str, login: Login | None = None) -> str | None:
        """See Runtime.remote_digest."""
        reference = references.parse(written)
        if reference.digest:
            return reference.digest
        try:
            return (await self._registries.resolve(reference, login)).digest
        except RegistryProblem:
            return None

    async def configuration(self, ref: str) -> ImageConfig:
        """Of an image that `resolve` gave; its snapshots are there afterwards.

        Raises RuntimeFailure(IMAGE_NOT_FOUND | IMAGE_PULL_FAILED).
        """
        reference = references.parse(ref)
        with _translated(reference, None):
            target = await self._records.get(ref)
            if target is None:
                raise refusals.not_found(reference, "it is no longer present on the engine")
            config = self._configs.get(target.digest)
            if config is None:
                config = (await self._bringing.contents(target, reference)).config
                self._configs[target.digest] = config
            if await self._bringing.is_complete(config):
                return config
        await self._repaired(target, reference, None, None)
        return config

    async def images(self) -> tuple[HeldImage, ...]:
        """See Stock.images."""
        names: dict[str, list[str]] = {}
        targets: dict[str, Descriptor] = {}
        with _told("list images"):
            for name, target in (await self._records.all()).items():
                names.setdefault(target.digest, []).append(name)
                targets[target.digest] = target
            sizes = [await self._size(target) for target in targets.values()]
        return tuple(
            HeldImage(digest, tuple(sorted(names[digest])), size)
            for digest, size in zip(targets, sizes, strict=True)
        )

    async def remove_image(self, image_id: str, names: Sequence[str]) -> None:
        """See Stock.remove_image. A name that has moved on meanwhile is another image's: it stays.

        containerd itself would let go of the image of a container: what runs goes on, but what is
        started again would have nothing to be made of.
        """
        with _told(f"remove image {image_id}"):
            its_own = await self._records.named(image_id)
            known = {_normalised(name) for name in names}
            if foreign := sorted(name for name in its_own if _normalised(name) not in known):
                raise _kept(image_id, f"it is also {', '.join(foreign)}")
            users = [one.id for one in await self._containers() if one.image in its_own]
            if users:
                raise _kept(image_id, f"{', '.join(users)} is made of it")
            for number, name in enumerate(sorted(its_own, key=lambda name: "@" in name), start=1):
                await self._records.delete(name, sync=number == len(its_own))
        self._sizes.pop(image_id, None)
        self._configs.pop(image_id, None)

    async def _containers(self) -> list[containers_pb2.Container]:
        listed = self._client.stream(
            methods.CONTAINERS_LIST_STREAM,
            containers_pb2.ListContainersRequest(),
            timeout_s=CALL_TIMEOUT_S,
        )
        async with contextlib.aclosing(listed):
            return [message.container async for message in listed]

    async def _here(self, reference: Reference) -> Descriptor | None:
        """What the reference is on this engine. A digest may have come under any name."""
        target = await self._records.get(_name(reference))
        if target is None and reference.digest and references.is_digest(reference.digest):
            target = next(iter((await self._records.named(reference.digest)).values()), None)
        return target

    async def _completed(
        self,
        target: Descriptor,
        reference: Reference,
        shown: Reference,
        policy: PullPolicy,
        login: Login | None,
    ) -> None:
        """What is recorded here can be used afterwards, and has a name that cannot move."""
        with _translated(shown, login):
            if await self._is_complete(target, reference):
                name = _name(reference.at(target.digest))
                if await self._records.get(name) != target:  # to write takes far longer
                    await self._records.put(name, target)
                return
        if policy != "Never":
            fetching = Fetching(self._content, self._registries, reference.at(target.digest), login)
            await self._repaired(target, shown, fetching, login)
            return
        try:
            await self._repaired(target, shown, None, login)
        except _Incomplete as error:
            raise refusals.not_found(
                shown, f"it is not complete on the engine, and {_NEVER}: {error.message}"
            ) from error

    async def _is_complete(self, target: Descriptor, reference: Reference) -> bool:
        try:
            contents = await self._bringing.contents(target, reference)
        except NotThere:
            return False
        return await self._bringing.is_complete(contents.config)

    async def _repaired(
        self,
        target: Descriptor,
        shown: Reference,
        fetching: Fetching | None,
        login: Login | None,
    ) -> None:
        """What is missing of it is here afterwards, fetched by its digest if it may be."""

        async def repair() -> _Pulled:
            with _translated(shown, login):
                await self._bring(target, shown, fetching, tagged=False)
            return _Pulled(target, Origin.HERE)

        registry = fetching.reference.registry if fetching is not None else None
        key = ("repair", target.digest, fetching is None, login)
        await self._pulls.join(key, registry, repair)

    async def _pull(self, reference: Reference, shown: Reference, login: Login | None) -> _Pulled:
        """What the registry has now; of a digest that is here and whole it is asked no more."""
        with _translated(shown, login):
            target = await self._registries.resolve(reference, login)
            is_new = not await self._records.named(target.digest)
            if not is_new and await self._is_complete(target, reference):
                await self._record(target, reference)
            else:
                exact = reference.at(target.digest)
                fetching = Fetching(self._content, self._registries, exact, login)
                await self._bring(target, shown, fetching, tagged=not reference.digest)
        return _Pulled(target, Origin.BROUGHT if is_new else Origin.PULLED)

    async def _bring(
        self, target: Descriptor, shown: Reference, fetching: Fetching | None, *, tagged: bool
    ) -> None:
        """tagged: its tag leads to it from now on."""
        reference = shown if tagged else shown.at(target.digest)
        progress = self._progress[shown.written] = Progress()
        try:
            await self._bringing.bring(
                target, shown, fetching, progress, lambda: self._record(target, reference)
            )
        finally:
            if self._progress.get(shown.written) is progress:
                del self._progress[shown.written]

    async def _record(self, target: Descriptor, reference: Reference) -> None:
        for name in dict.fromkeys((_name(reference), _name(reference.at(target.digest)))):
            await self._records.put(name, target)

    async def _size(self, target: Descriptor) -> int:
        """0 where that cannot be told: somebody else's, for another machine, or incomplete."""
        size = self._sizes.get(target.digest)
        if size is None:
            try:
                contents = await self._bringing.contents(target, references.parse(target.digest))
            except (NotThere, Damaged, RegistryProblem):
                return 0
            size = self._sizes[target.digest] = contents.size_bytes
        return size


class _Incomplete(RuntimeFailure):
    """A part of the image is not here."""


def _image(reference: Reference, pulled: _Pulled) -> Image:
    digest = pulled.target.digest
    ref = _name(reference.at(digest))
    return Image(ref=ref, digest=digest, id=digest, origin=pulled.origin)


def _name(reference: Reference) -> str:
    """As every client of containerd names it: `docker.io/library/redis:7`."""
    mark = "@" if reference.digest else ":"
    return f"{references.normalised(reference.repository)}{mark}{reference.version}"


def _normalised(name: str) -> str:
    return _name(references.parse(name))


def _kept(image_id: str, why: str) -> RuntimeFailure:
    return RuntimeFailure(FailureClass.OTHER, f"cannot remove image {image_id}: {why}")


@contextlib.contextmanager
def _translated(shown: Reference, login: Login | None) -> Iterator[None]:
    """Whatever goes wrong with an image is told of the reference as it was written."""
    try:
        yield
    except RegistryProblem as error:
        raise refusals.told(
            shown, error.cause, error.text, login, retry_after_s=error.retry_after_s
        ) from error
    except NotThere as error:
        failure = refusals.told(shown, Cause.OTHER, error.message, login)
        raise _Incomplete(failure.failure.kind, failure.message) from error
    except (Already, Damaged, Locked, Refused) as error:
        raise refusals.told(shown, Cause.OTHER, error.message, login) from error


@contextlib.contextmanager
def _told(act: str) -> Iterator[None]:
    try:
        yield
    except (Already, Locked, NotThere, Refused) as error:
        raise RuntimeFailure(FailureClass.OTHER, f"cannot {act}: {error.message}") from error
