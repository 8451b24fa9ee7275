"""Images: which there are and who needs them, and removing those that nobody does."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from ring.core import keeping
from ring.core.errors import HostError
from ring.core.keeping import Judged, Kind, User, Want
from ring.engine.keeping.claims import Busy, Claims
from ring.engine.keeping.disk import percent_used
from ring.runtimes.base import RuntimeFailure
from ring.runtimes.stock import Stock
from ring.store.audit import Target

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Sequence
    from contextlib import AbstractAsyncContextManager
    from pathlib import Path

    from ring.clock import Clock
    from ring.core.model.deployment import Deployment
    from ring.runtimes.base import Image
    from ring.runtimes.registry import Registry
    from ring.store.records import Author
    from ring.store.store import Store

log = logging.getLogger(__name__)

LISTING_S = 20.0
REMOVAL_S = 60.0
"""For one image: an engine deletes its layers meanwhile."""
FIRST_S = 30.0
"""After the start, so that what is to run has found its images by then."""
RETRY_S = 3600.0
"""How long an image that could not be removed is left alone."""
BUDGET_S = 8.0
"""Of one request: after that no further removal is begun, and the answer says so."""
ROUND_S = 120.0
"""Of one engine's collection: after that no further removal is begun until the next one, so that
an engine that hangs holds up neither the other engines nor who asks."""
BEING_USED = "an instance is being made of it"


class Failed(NamedTuple):
    """An image that stayed, and why."""

    image: Judged
    reason: str


@dataclass(slots=True)
class Pruned:
    """What has become of what was to go."""

    removed: list[Judged] = field(default_factory=list)
    failed: list[Failed] = field(default_factory=list)
    is_done: bool = True
    """False: time has run out, and there is more to remove."""

    @property
    def size_bytes(self) -> int:
        return sum(each.image.size_bytes for each in self.removed)


class Images:
    """One for a server; run() looks at every engine now and then until cancelled."""

    def __init__(
        self,
        store: Store,
        runtimes: Registry,
        clock: Clock,
        claims: Claims,
        policy: keeping.Policy,
        *,
        measure: Callable[[Path], Awaitable[float | None]] = percent_used,
    ) -> None:
        self.policy = policy
        self._store = store
        self._clock = clock
        self._claims = claims
        self._measure = measure
        self._stocks = {
            name: runtime for name, runtime in runtimes.items() if isinstance(runtime, Stock)
        }
        self._unsettled = {name: runtimes[name].location for name in self._stocks}
        """Where the engines are of which the store has not been told yet."""
        self._one = asyncio.Lock()
        """Removals follow each other: two at once would judge by what the other takes away."""
        self._retry_at: dict[tuple[str, str], float] = {}
        self._said_full: set[str] = set()

    async def run(self) -> None:
        await asyncio.sleep(min(FIRST_S, self.policy.interval_s))
        while True:
            for name in self._stocks:
                try:
                    await self._tend(name)
                except (RuntimeFailure, TimeoutError, HostError) as error:
                    log.info("the images of %s are not looked at now: %s", name, _words(error))
            await asyncio.sleep(self.policy.interval_s)

    async def listed(self) -> tuple[Judged, ...]:
        """Every image of every engine. Raises RuntimeFailure, TimeoutError."""
        found = await asyncio.gather(*(self._look(name) for name in self._stocks))
        return tuple(image for each in found for image in each)

    async def prune(
        self, older_than_s: float, *, even_if_kept: bool, dry_run: bool, author: Author | None
    ) -> Pruned:
        """Removes what nobody needs, the longest unused first; dry_run: only says what that is.

        Begins nothing after BUDGET_S seconds. Raises RuntimeFailure, TimeoutError.
        """
        began = self._clock.mono()
        try:
            async with asyncio.timeout(BUDGET_S):
                await self._one.acquire()
        except TimeoutError as error:
            raise TimeoutError("others remove images just now; try again in a minute") from error
        pruned = Pruned()
        try:
            for image in self._leaving(await self.listed(), older_than_s, even_if_kept):
                if dry_run:
                    pruned.removed.append(image)
                elif self._clock.mono() - began > BUDGET_S:
                    pruned.is_done = False
                    break
                else:
                    await self._removed(image, pruned, even_if_kept, author)
        finally:
            self._one.release()
        return pruned

    async def note_pull(self, row: Deployment, image: Image) -> None:
        """A registry gave it for this row. One that is not noted is never removed."""
        if image.id is None:
            return
        try:
            await self._settle(row.spec.runtime)
            await self._store.images.note(
                row.spec.runtime, image.id, row.spec.image, image.digest, image.origin
            )
        except HostError as error:
            log.warning("image %s stays for good: %s", row.spec.image, error.message)

    async def released(self, row: Deployment) -> None:
        """The row is gone: until now its image was in use."""
        runtime, digest = row.spec.runtime, row.image_digest
        if digest is None or runtime not in self._stocks:
            return
        try:
            pulled = self._store.images.pulled(runtime)
            if any(digest in (each.digest, each.image_id) for each in pulled):
                await self._store.images.was_used(runtime, digest)
        except HostError as error:
            log.warning("when image %s was last used is not noted: %s", digest, error.message)

    async def _tend(self, name: str) -> None:
        """Notes what is in use, and removes what is due where that is wanted."""
        async with self._one:
            images = await self._look(name)
            if self.policy.enabled:
                await self._collect(name, images)

    async def _look(self, name: str) -> tuple[Judged, ...]:
        """All of one engine, each with who needs it now. Notes who is in use, and who is gone."""
        stock, store = self._stocks[name], self._store.images
        await self._settle(name)
        async with asyncio.timeout(LISTING_S):
            # Images before containers: of one that is made meanwhile the image is seen as used.
            held = await stock.images()
            holders = await stock.holders()
        pulled = store.pulled(name)
        # What has been pulled since the listing was asked for is not in it.
        now = self._clock.wall()
        old = (each for each in pulled if (now - each.pulled_at).total_seconds() > LISTING_S)
        if gone := {each.image_id for each in old} - {image.id for image in held}:
            await store.forget(name, gone)
        judged = keeping.judge(name, held, pulled=pulled, wants=self._wants(name), holders=holders)
        used = {each.image.id for each in judged if each.pulled and _is_used(each)}
        if used:
            await store.used(name, used)
        return judged

    async def _settle(self, name: str) -> None:
        """Before anything is noted or judged."""
        if (location := self._unsettled.get(name)) is not None:
            await self._store.images.settle(name, location)
            self._unsettled.pop(name, None)

    def _wants(self, runtime: str) -> list[Want]:
        """Of every row until it is purged, and of every revision that is kept beside it."""
        rows = [row for row in self._store.deployments() if row.spec.runtime == runtime]
        live = {(row.key, row.revision) for row in rows}
        wants = [
            Want(
                User(Kind.DEPLOYMENT, f"{row.spec.namespace}/{row.spec.name}"),
                row.spec.image,
                row.image_digest,
            )
            for row in rows
        ]
        return wants + [
            want
            for its_runtime, key, number, want in self._store.images.kept_by_revisions()
            if its_runtime == runtime and (key, number) not in live
        ]

    def _leaving(
        self, images: Iterable[Judged], older_than_s: float, even_if_kept: bool
    ) -> list[Judged]:
        """The longest unused first."""
        now = self._clock.wall()
        going = [
            image
            for image in images
            if image.may_go(even_if_kept=even_if_kept) and image.is_older(older_than_s, now)
        ]
        return sorted(going, key=lambda image: (image.used_at or now, image.image.id))

    async def _collect(self, name: str, images: Sequence[Judged]) -> None:
        policy, pruned = self.policy, Pruned()
        due = [
            image
            for image in self._leaving(images, policy.min_age_s, False)
            if self._clock.mono() >= self._retry_at.get((name, image.image.id), 0.0)
        ]
        now, began = self._clock.wall(), self._clock.mono()
        is_too_full = await self._percent(name) >= policy.high_percent
        for image in due:
            if self._clock.mono() - began > ROUND_S:
                break
            is_old = policy.max_age_s is not None and image.is_older(policy.max_age_s, now)
            if is_too_full and not is_old:
                is_too_full = await self._percent(name) > policy.low_percent
            if is_old or is_too_full:
                await self._removed(image, pruned, False, None)
        self._tell(name, pruned, await self._percent(name))

    async def _percent(self, name: str) -> float:
        """0 where it cannot be told: then age alone decides."""
        directory = await self._stocks[name].data_directory()
        return (await self._measure(directory) or 0.0) if directory is not None else 0.0

    def _tell(self, name: str, pruned: Pruned, percent: float) -> None:
        if pruned.removed or pruned.failed:
            log.info(
                "image collection on %s: removed %d, %d bytes; %d could not be removed",
                name,
                len(pruned.removed),
                pruned.size_bytes,
                len(pruned.failed),
            )
        is_full = percent >= self.policy.high_percent
        if is_full and name not in self._said_full:
            log.warning(
                "the disk of %s is %.0f %% full, and no image is left that may be removed now",
                name,
                percent,
            )
        (self._said_full.add if is_full else self._said_full.discard)(name)

    async def _removed(
        self, judged: Judged, pruned: Pruned, even_if_kept: bool, author: Author | None
    ) -> None:
        """One image, unless somebody needs it by now."""
        runtime, image = judged.runtime, judged.image
        try:
            with self._claims.going(runtime, image):
                if reason := self._needed(judged, even_if_kept):
                    pruned.failed.append(Failed(judged, reason))
                    return
                async with self._recorded(judged, author), asyncio.timeout(REMOVAL_S):
                    await self._stocks[runtime].remove_image(image.id, image.names)
            await self._store.images.forget(runtime, [image.id])
        except Busy:
            pruned.failed.append(Failed(judged, BEING_USED))
        except (RuntimeFailure, TimeoutError, HostError) as error:
            reason = _words(error)
            log.warning("image %s is not removed from %s: %s", judged.shown, runtime, reason)
            self._retry_at[runtime, image.id] = self._clock.mono() + RETRY_S
            pruned.failed.append(Failed(judged, reason))
        else:
            self._retry_at.pop((runtime, image.id), None)
            log.info(
                "removed image %s from %s: %d bytes, unused since %s",
                judged.shown,
                runtime,
                image.size_bytes,
                judged.used_at,
            )
            pruned.removed.append(judged)

    def _recorded(self, judged: Judged, author: Author | None) -> AbstractAsyncContextManager[None]:
        """A removal that somebody has asked for."""
        if author is None:
            return contextlib.nullcontext()
        target = Target("image", judged.shown)
        return self._store.audit.during(author.user_id, "delete", target)

    def _needed(self, judged: Judged, even_if_kept: bool) -> str:
        """Who has come to need it since it was judged; what containers keep, the engine keeps."""
        (again,) = keeping.judge(
            judged.runtime,
            [judged.image],
            pulled=judged.pulled,
            wants=self._wants(judged.runtime),
            holders=(),
        )
        if again.may_go(even_if_kept=even_if_kept):
            return ""
        return f"needed by {', '.join(f'{user.kind} {user.name}' for user in again.users)}"


def _is_used(image: Judged) -> bool:
    """By what runs or may: a revision that is only kept does not make it younger."""
    return any(user.kind is not Kind.REVISION for user in image.users)


def _words(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return "the engine does not answer in time"
    return str(error)
