"""An image as a whole: its manifest for this machine, its configuration, and its layers, fetched
and unpacked where they are missing."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from ring.core.model.failures import FailureClass
from ring.runtimes.base import RuntimeFailure
from ring.runtimes.containerd import image_config
from ring.runtimes.containerd.client import NotThere
from ring.runtimes.distribution.descriptors import (
    MOST_MANIFEST_BYTES,
    Manifest,
    parse_index_or_manifest,
)
from ring.runtimes.distribution.platforms import here
from ring.runtimes.distribution.problems import RegistryProblem
from ring.runtimes.images.refusals import Cause

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator, Mapping

    from ring.runtimes.containerd.content import Content
    from ring.runtimes.containerd.fetching import Fetching
    from ring.runtimes.containerd.image_config import ImageConfig
    from ring.runtimes.containerd.leases import Leases
    from ring.runtimes.containerd.progress import Progress
    from ring.runtimes.containerd.unpacking import Unpacking
    from ring.runtimes.distribution.descriptors import Descriptor
    from ring.runtimes.images.references import Reference

LAYERS_AT_ONCE: Final = 3
MOST_CONFIG_BYTES: Final = 8 * 1024 * 1024
_DEEPEST: Final = 4  # indexes in indexes
_REFERS_TO: Final = "containerd.io/gc.ref.content"
_REFERS_TO_SNAPSHOT: Final = "containerd.io/gc.ref.snapshot"


@dataclass(frozen=True, slots=True)
class Contents:
    """What an image is made of on this machine."""

    labels: Mapping[str, Mapping[str, str]]
    """By the digest of an index or manifest, what it keeps from being collected."""
    manifest: Manifest
    config: ImageConfig

    @property
    def size_bytes(self) -> int:
        return sum(layer.size for layer in self.manifest.layers)


class Bringing:
    """Into one content store and one snapshotter."""

    def __init__(self, content: Content, unpacking: Unpacking, leases: Leases) -> None:
        self.content = content
        self._unpacking = unpacking
        self._leases = leases

    async def contents(self, target: Descriptor, reference: Reference) -> Contents:
        """As far as it is here: without looking for its layers.

        Raises NotThere, Damaged; RegistryProblem for what is no image, or not for this machine.
        """

        async def read(described: Descriptor) -> bytes:
            return await self.content.read(described.digest, MOST_MANIFEST_BYTES)

        async def read_config(described: Descriptor) -> bytes:
            return await self.content.read(described.digest, MOST_CONFIG_BYTES)

        return await _contents(target, reference, read, read_config)

    async def is_complete(self, config: ImageConfig) -> bool:
        """Instances can be made of it."""
        return not config.diff_ids or await self._unpacking.is_unpacked(config.chain_id)

    async def bring(
        self,
        target: Descriptor,
        reference: Reference,
        fetching: Fetching | None,
        progress: Progress,
        record: Callable[[], Awaitable[None]],
    ) -> Contents:
        """What is missing of it is here afterwards.

        record: writes what keeps it from being collected from then on. Without `fetching` only what
        is here already is unpacked. Raises NotThere, Damaged, RegistryProblem.
        """
        async with self._leases.held(f"{reference.written} {target.digest}") as lease:
            contents = await self._described(target, reference, fetching, lease)
            for digest, labels in contents.labels.items():
                await self.content.label(digest, labels)
            await self._layers(contents, fetching, progress, lease)
            if chain_id := contents.config.chain_id:
                key = f"{_REFERS_TO_SNAPSHOT}.{self._unpacking.snapshotter}"
                await self.content.label(contents.manifest.config.digest, {key: chain_id})
            await record()
        return contents

    async def _described(
        self, target: Descriptor, reference: Reference, fetching: Fetching | None, lease: str
    ) -> Contents:
        async def read(described: Descriptor) -> bytes:
            try:
                return await self.content.read(described.digest, MOST_MANIFEST_BYTES)
            except NotThere:
                if fetching is None:
                    raise
                return await fetching.manifest(described, lease=lease)

        async def read_config(described: Descriptor) -> bytes:
            if fetching is not None:
                await fetching.blob(described, "config", lease=lease, note=lambda _: None)
            return await self.content.read(described.digest, MOST_CONFIG_BYTES)

        return await _contents(target, reference, read, read_config)

    async def _layers(
        self, contents: Contents, fetching: Fetching | None, progress: Progress, lease: str
    ) -> None:
        """Unpacked from the lowest on, each as soon as it is here, while others still come."""
        layers, diff_ids = contents.manifest.layers, contents.config.diff_ids
        begin = await self._unpacking.unpacked(diff_ids)
        if begin:
            key = image_config.chain(diff_ids[:begin])[-1]
            await self._leases.add_snapshot(lease, self._unpacking.snapshotter, key)
        progress.begin(len(layers), layers[begin:])
        places = asyncio.Semaphore(LAYERS_AT_ONCE)

        async def fetched(layer: Descriptor) -> None:
            async with places:
                await self._fetched(layer, fetching, progress, lease)

        with _one_failure():
            async with asyncio.TaskGroup() as group:
                # An image may have the same layer twice.
                coming = {
                    layer.digest: group.create_task(fetched(layer))
                    for layer in {layer.digest: layer for layer in layers[begin:]}.values()
                }
                for number in range(begin, len(layers)):
                    await coming[layers[number].digest]
                    await self._unpacking.unpack(
                        layers[number], diff_ids[: number + 1], lease=lease
                    )
                    progress.layer_unpacked()

    async def _fetched(
        self, layer: Descriptor, fetching: Fetching | None, progress: Progress, lease: str
    ) -> None:
        def note(done_bytes: int) -> None:
            progress.note(layer.digest, done_bytes)

        if fetching is not None:
            await fetching.blob(layer, "layer", lease=lease, note=note)
        elif not await self.content.is_here(layer.digest):
            raise NotThere(f"its layer {layer.digest} is not here")


async def _contents(
    target: Descriptor,
    reference: Reference,
    read: Callable[[Descriptor], Awaitable[bytes]],
    read_config: Callable[[Descriptor], Awaitable[bytes]],
) -> Contents:
    labels: dict[str, Mapping[str, str]] = {}
    at = target
    for _ in range(_DEEPEST):
        found = parse_index_or_manifest(await read(at), at.media_type)
        if isinstance(found, Manifest):
            break
        chosen = found.choose(here(), reference)
        # By its position, as containerd's own tools do it: what they keep by the others stays kept.
        position = found.manifests.index(chosen)
        labels[at.digest] = {f"{_REFERS_TO}.m.{position}": chosen.digest}
        at = chosen
    else:
        raise RegistryProblem(Cause.OTHER, "there are too many indexes in one another")
    labels[at.digest] = {
        f"{_REFERS_TO}.config": found.config.digest,
        **{f"{_REFERS_TO}.l.{number}": one.digest for number, one in enumerate(found.layers)},
    }
    if found.config.size > MOST_CONFIG_BYTES:
        raise RegistryProblem(Cause.OTHER, "its configuration is too large for one of an image")
    try:
        config = image_config.parse(await read_config(found.config))
    except RuntimeFailure as error:
        if error.failure.kind is not FailureClass.IMAGE_PULL_FAILED:
            raise
        raise RegistryProblem(Cause.OTHER, error.message) from error
    if len(config.diff_ids) != len(found.layers):
        raise RegistryProblem(
            Cause.OTHER, "it is no image: its configuration is not about the layers that it has"
        )
    return Contents(labels, found, config)


@contextlib.contextmanager
def _one_failure() -> Iterator[None]:
    """What several tasks failed with is told by the first of them."""
    try:
        yield
    except BaseExceptionGroup as group:
        raise group.exceptions[0] from group.exceptions[0].__cause__
