"""Images: which one a reference means under its pull policy, and getting it here.

Ring speaks to no registry itself: mirrors, certificates and what may be reached without them are
the engine's, and its pull compares digests before it fetches anything.
"""

from __future__ import annotations

import contextlib
import logging
from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import TYPE_CHECKING

from ring.core.model.stock import Origin
from ring.runtimes.base import Image, Unavailable
from ring.runtimes.docker import credentials, failures, paths, payload, stock
from ring.runtimes.docker.connection import LONGEST_TEXT, IdleTimeout
from ring.runtimes.docker.dialect import DOCKER
from ring.runtimes.docker.layers import Layers
from ring.runtimes.images import references, refusals, retry_after
from ring.runtimes.images.pulls import SharedPulls
from ring.runtimes.images.refusals import Problem

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ring.core.model.spec import PullPolicy
    from ring.runtimes.base import Login, PullProgress
    from ring.runtimes.docker.connection import Connection, Stream
    from ring.runtimes.docker.dialect import Dialect
    from ring.runtimes.images.references import Reference

_log = logging.getLogger(__name__)

PULL_IDLE_S = 120.0
"""A pull may take any time, as long as it makes progress."""


@dataclass(frozen=True, slots=True)
class _Local:
    """An image the engine holds."""

    id: str
    repo_digests: tuple[str, ...]


class Images:
    """Resolves references on one engine."""

    def __init__(
        self,
        connection: Connection,
        dialect: Dialect = DOCKER,
        *,
        pull_idle_s: float = PULL_IDLE_S,
    ) -> None:
        self._connection = connection
        self._repositories = dialect.repositories
        self._nameless = dialect.nameless
        self._pull_idle_s = pull_idle_s
        self._pulls = SharedPulls[Layers]()
        self._layers: dict[str, Layers] = {}
        """Of pulls in flight, by the reference as it was written; of several the last."""

    async def close(self) -> None:
        await self._pulls.close()

    async def resolve(
        self, written: str, policy: PullPolicy, pin: str | None, login: Login | None = None
    ) -> Image:
        """See Runtime.resolve_image."""
        reference, *others = self._meant(written)
        if not paths.are_segments(written):
            raise refusals.not_found(reference, "this is no image reference")
        if pin is not None:
            return await self._pinned((reference, *others), policy, pin, login)
        # `Always` asks the registry, but for a digest there is nothing to ask.
        if policy != "Always" or reference.digest:
            for one in (reference, *others):
                found = await self._local(one.exact)
                if found is not None:
                    return _chosen(one, found)
        return await self._fetched(reference, policy, login, shown=reference)

    def progress(self, written: str) -> PullProgress | None:
        """See Pulls.pull_progress."""
        layers = self._layers.get(written)
        return layers.progress() if layers is not None else None

    async def remote_digest(self, written: str, login: Login | None = None) -> str | None:
        """See Runtime.remote_digest."""
        reference = self._meant(written)[0]
        if not paths.are_segments(written):
            return None
        if reference.digest:
            return reference.digest
        answer = await self._connection.call(
            "GET",
            f"/distribution/{paths.quoted(reference.exact)}/json",
            headers=credentials.headers(login),
        )
        if answer.status != HTTPStatus.OK:
            return None
        descriptor = payload.section(payload.as_payload(answer.json()), "Descriptor")
        return payload.text(descriptor, "digest")

    def _meant(self, written: str) -> tuple[Reference, ...]:
        """What the engine may know it as; the first is what a registry is asked for."""
        reference = references.parse(written)
        return tuple(reference.called(name) for name in self._repositories(reference.repository))

    async def _pinned(
        self, meant: tuple[Reference, ...], policy: PullPolicy, pin: str, login: Login | None
    ) -> Image:
        """The image the row has used from its first instance on: its tag may have moved."""
        digested = (f"{reference.repository}@{pin}" for reference in meant)
        for name in (*digested, pin, *(reference.exact for reference in meant)):
            found = await self._local(name)
            if found is not None and (image := _matching(found, pin)):
                return image
        if (lost := await self._nameless(self._connection, pin)) is not None:
            image_id = stock.full_id(lost)
            return Image(ref=image_id, digest=pin, id=image_id)
        return await self._fetched(meant[0].at(pin), policy, login, shown=meant[0])

    async def _fetched(
        self, reference: Reference, policy: PullPolicy, login: Login | None, *, shown: Reference
    ) -> Image:
        if policy == "Never":
            raise refusals.not_found(
                shown, "it is not present on the engine, and image_pull_policy=Never forbids a pull"
            )
        key = (shown.written, reference.version, login)
        before = await self._ids()
        pulled = await self._pulls.join(
            key, reference.registry, lambda: self._pull(reference, shown, login)
        )
        found = await self._local(reference.exact)
        if found is None:
            raise refusals.not_found(shown, "the pull ended without an image")
        is_new = pulled.has_changed_something and before is not None and found.id not in before
        origin = Origin.BROUGHT if is_new else Origin.PULLED
        return replace(_chosen(reference, found, pulled.digest), origin=origin)

    async def _ids(self) -> frozenset[str] | None:
        """Of all that is here: what a pull adds to it is what this server has brought.

        None: nobody can tell, which is no reason not to pull.
        """
        try:
            return frozenset(image.id for image in await stock.images(self._connection))
        except Unavailable:
            return None

    async def _pull(self, reference: Reference, shown: Reference, login: Login | None) -> Layers:
        """What the engine said of it.

        Of a tag that has not moved it fetches no layer: Docker sends a HEAD for the digest and is
        done, Podman reads manifest and settings. `GET /distribution/…`, which only Docker has,
        would ask for more than that, and then a pull be needed all the same where it has moved.

        Ends at the first error in the stream. Without `tag` the engine would pull all tags.

        An engine that does not begin to answer is away; in one that falls silent the pull hangs.
        """
        query = {"fromImage": reference.repository, "tag": reference.version}
        layers = self._layers[shown.written] = Layers()
        try:
            problem = await self._followed(query, shown, login, layers)
        finally:
            if self._layers.get(shown.written) is layers:
                del self._layers[shown.written]
        if problem is not None:
            raise refusals.of_pull(shown, problem, login)
        return layers

    async def _followed(
        self, query: Mapping[str, str], shown: Reference, login: Login | None, layers: Layers
    ) -> Problem | None:
        """What ended the pull; None: it is done."""
        async with self._connection.stream(
            "POST",
            "/images/create",
            query=query,
            idle_s=self._pull_idle_s,
            headers=credentials.headers(login),
        ) as stream:
            try:
                return await _problem(stream, layers)
            except IdleTimeout as error:
                raise refusals.stalled(shown, self._pull_idle_s) from error

    async def _local(self, name: str) -> _Local | None:
        """The image of this reference or id, if it is here."""
        answer = await self._connection.call("GET", f"/images/{paths.quoted(name)}/json")
        if failures.is_no_image(answer):
            return None
        if answer.status != HTTPStatus.OK:
            raise failures.unless_away(answer) or refusals.of_pull(
                references.parse(name), answer.message
            )
        told = payload.as_payload(answer.json())
        return _Local(stock.full_id(payload.text(told, "Id")), payload.texts(told, "RepoDigests"))


async def _problem(stream: Stream, layers: Layers) -> Problem | None:
    """The first error of a pull: an HTTP refusal, or a line of the stream."""
    if stream.status != HTTPStatus.OK:
        answer = await stream.rest()
        if away := failures.unless_away(answer):
            raise away
        return Problem(answer.message, answer.status, retry_after.in_headers(stream.headers))
    async with contextlib.aclosing(stream.lines()) as lines:
        async for line in lines:
            told = _told(line)
            error = told.get("error")
            if error is not None:
                return Problem(str(error)[:LONGEST_TEXT])
            layers.note(told)
    return None


def _told(line: bytes) -> payload.Payload:
    """A line that cannot be read is progress as well."""
    try:
        return payload.as_payload(payload.decode(line))
    except (ValueError, Unavailable):
        return {}


def _chosen(reference: Reference, found: _Local, told: str | None = None) -> Image:
    """The image by its digest in the repository asked for, else in another, else as written.

    told: by the registry, of the tag. Of several digests of one image it is the one that a later
    question for the tag is answered with.
    """
    digests = [entry for entry in found.repo_digests if references.is_digest(_digest(entry))]
    wanted = references.normalised(reference.repository)
    own = [entry for entry in digests if references.normalised(_repository(entry)) == wanted]
    exact = [entry for entry in own if _digest(entry) == (reference.digest or told)]
    if digests and not own:
        _log.warning(
            "image %r has no digest in its own repository, taking that of %r",
            reference.written,
            digests[0],
        )
    for entry in (*exact, *own, *digests):
        return Image(ref=entry, digest=_digest(entry), id=found.id)
    return Image(ref=reference.exact, digest=found.id, id=found.id)


def _matching(found: _Local, pin: str) -> Image | None:
    """The found image if it is the pinned one, and a name for it that cannot move."""
    for entry in found.repo_digests:
        if _digest(entry) == pin:
            return Image(ref=entry, digest=pin, id=found.id)
    return Image(ref=pin, digest=pin, id=found.id) if found.id == pin else None


def _digest(entry: str) -> str:
    return entry.partition("@")[2]


def _repository(entry: str) -> str:
    return entry.partition("@")[0]
