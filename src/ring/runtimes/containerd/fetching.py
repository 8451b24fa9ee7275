"""Blobs of one image, from its registry into the content store: only what is missing, from where
it was left."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from ring.runtimes.containerd.content import Damaged, Wanted
from ring.runtimes.distribution.descriptors import INDEXES
from ring.runtimes.distribution.problems import RegistryProblem
from ring.runtimes.images import references
from ring.runtimes.images.refusals import Cause

if TYPE_CHECKING:
    from collections.abc import Callable

    from ring.runtimes.base import Login
    from ring.runtimes.containerd.content import Content, Writing
    from ring.runtimes.distribution.client import Blob, Registries
    from ring.runtimes.distribution.descriptors import Descriptor
    from ring.runtimes.images.references import Reference

_log = logging.getLogger(__name__)

RETRIES: Final = 3
"""Of one blob; each goes on where the last was broken off."""
_PAUSE_S: Final = 0.5
"""Before the first retry; each later one waits twice as long."""
_PASSING: Final = frozenset({Cause.UNREACHABLE, Cause.BROKEN_OFF, Cause.TOO_SLOW, Cause.OTHER})
_BATCH_BYTES: Final = 1024 * 1024
_SOURCE: Final = "containerd.io/distribution.source"


@dataclass(frozen=True, slots=True)
class Fetching:
    """From one repository, with one login."""

    content: Content
    registries: Registries
    reference: Reference
    login: Login | None

    async def manifest(self, described: Descriptor, *, lease: str) -> bytes:
        """The index or manifest, kept from now on. Raises RegistryProblem."""
        digest = described.digest
        blob = await self.registries.manifest(self.reference, digest, self.login)
        kind = "index" if described.media_type in INDEXES else "manifest"
        wanted = Wanted(f"{kind}-{digest}", digest, len(blob))
        await self.content.put(wanted, blob, self._labels(), lease=lease)
        return blob

    async def blob(
        self, described: Descriptor, kind: str, *, lease: str, note: Callable[[int], None]
    ) -> None:
        """The blob, kept from now on.

        kind: `layer` or `config`, for what it is called while it is unfinished: as others call it,
        so that nobody brings it twice at once. note: told how many bytes of it are here. Raises
        RegistryProblem and Damaged, after the last retry, and what containerd refuses at once.
        """
        ref = f"{kind}-{described.digest}"
        for attempt in range(RETRIES + 1):
            try:
                await self._attempt(described, ref, lease, note)
            except (RegistryProblem, Damaged) as problem:
                is_final = isinstance(problem, RegistryProblem) and problem.cause not in _PASSING
                if is_final or attempt == RETRIES:
                    raise
                _log.info("%s of %s: trying again: %s", ref, self.reference.written, problem)
                await asyncio.sleep(_PAUSE_S * 2**attempt)
            else:
                return

    async def _attempt(
        self, described: Descriptor, ref: str, lease: str, note: Callable[[int], None]
    ) -> None:
        size = described.size
        wanted = Wanted(ref, described.digest, size)
        async with self.content.writing(wanted, lease=lease) as writing:
            if writing is None:
                note(size)
                return
            if writing.offset > size:
                await writing.restart()
            note(writing.offset)
            if writing.offset < size:
                async with self.registries.blob(
                    self.reference, described, writing.offset, self.login
                ) as blob:
                    await _copied(blob, writing, note)
            await writing.commit(self._labels())

    def _labels(self) -> dict[str, str]:
        """Where it comes from, as containerd itself tells it: for those who push it on."""
        full = references.normalised(self.reference.repository)
        host, _, repository = full.partition("/")
        return {f"{_SOURCE}.{host.rpartition(':')[0] or host}": repository}


async def _copied(blob: Blob, writing: Writing, note: Callable[[int], None]) -> None:
    """What is still missing of it. What came before it broke off is kept as well."""
    surplus = writing.offset - blob.offset  # a server that knows of no ranges begins anew
    batch = bytearray()

    async def flush() -> None:
        taken = bytes(batch)
        batch.clear()
        await writing.write(taken)
        note(writing.offset)

    async with contextlib.aclosing(blob.chunks()) as chunks:
        try:
            async for chunk in chunks:
                batch += chunk[surplus:]
                surplus = max(surplus - len(chunk), 0)
                if len(batch) >= _BATCH_BYTES:
                    await flush()
        except RegistryProblem:
            await flush()
            raise
    await flush()
