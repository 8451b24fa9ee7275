"""Images: which one a reference means under its pull policy, and getting it here."""

from __future__ import annotations

import contextlib
import logging
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING

from ring.runtimes.base import Image, Unavailable
from ring.runtimes.docker import credentials, failures, paths, payload, references
from ring.runtimes.docker.connection import LONGEST_TEXT, IdleTimeout
from ring.runtimes.docker.pulls import SharedPulls

if TYPE_CHECKING:
    from ring.runtimes.base import Login
    from ring.runtimes.docker.connection import Connection, Stream
    from ring.runtimes.docker.references import Reference

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

    def __init__(self, connection: Connection, *, pull_idle_s: float = PULL_IDLE_S) -> None:
        self._connection = connection
        self._pull_idle_s = pull_idle_s
        self._pulls = SharedPulls()

    async def close(self) -> None:
        await self._pulls.close()

    async def resolve(
        self, written: str, policy: str, pin: str | None, login: Login | None = None
    ) -> Image:
        """See Runtime.resolve_image."""
        reference = references.parse(written)
        if not paths.are_segments(written):
            raise failures.not_found(reference, "this is no image reference")
        rule = _rule(policy)
        if pin is not None:
            return await self._pinned(reference, rule, pin, login)
        # `always` asks the registry, but for a digest there is nothing to ask.
        if rule != "always" or reference.digest:
            found = await self._local(reference.exact)
            if found is not None:
                return _chosen(reference, found)
        return await self._fetched(reference, rule, login, shown=reference)

    async def remote_digest(self, written: str, login: Login | None = None) -> str | None:
        """See Runtime.remote_digest."""
        reference = references.parse(written)
        if not paths.are_segments(written):
            return None
        if reference.digest:
            return reference.digest
        answer = await self._connection.call(
            "GET",
            f"/distribution/{paths.quoted(written)}/json",
            headers=credentials.headers(login),
        )
        if answer.status != HTTPStatus.OK:
            return None
        descriptor = payload.section(payload.as_payload(answer.json()), "Descriptor")
        return payload.text(descriptor, "digest")

    async def _pinned(
        self, reference: Reference, rule: str, pin: str, login: Login | None
    ) -> Image:
        """The image the row has used from its first instance on: its tag may have moved."""
        for name in (f"{reference.repository}@{pin}", pin, reference.exact):
            found = await self._local(name)
            if found is not None and (image := _matching(found, pin)):
                return image
        return await self._fetched(reference.at(pin), rule, login, shown=reference)

    async def _fetched(
        self, reference: Reference, rule: str, login: Login | None, *, shown: Reference
    ) -> Image:
        if rule == "never":
            raise failures.not_found(
                shown, "it is not present on the engine, and image_pull_policy=Never forbids a pull"
            )
        key = (shown.written, reference.version, login)
        await self._pulls.join(key, lambda: self._pull(reference, shown, login))
        found = await self._local(reference.exact)
        if found is None:
            raise failures.not_found(shown, "the pull ended without an image")
        return _chosen(reference, found)

    async def _pull(self, reference: Reference, shown: Reference, login: Login | None) -> None:
        """Ends at the first error in the stream. Without `tag` the engine would pull all tags.

        An engine that does not begin to answer is away; in one that falls silent the pull hangs.
        """
        query = {"fromImage": reference.repository, "tag": reference.version}
        async with self._connection.stream(
            "POST",
            "/images/create",
            query=query,
            idle_s=self._pull_idle_s,
            headers=credentials.headers(login),
        ) as stream:
            try:
                problem = await _problem(stream)
            except IdleTimeout as error:
                raise failures.stalled(shown, self._pull_idle_s) from error
        if problem is not None:
            raise failures.of_pull(shown, problem, login)

    async def _local(self, name: str) -> _Local | None:
        """The image of this reference or id, if it is here."""
        answer = await self._connection.call("GET", f"/images/{paths.quoted(name)}/json")
        if answer.status == HTTPStatus.NOT_FOUND:
            return None
        if answer.status != HTTPStatus.OK:
            raise failures.unless_away(answer) or failures.of_pull(
                references.parse(name), answer.message
            )
        told = payload.as_payload(answer.json())
        return _Local(payload.text(told, "Id"), payload.texts(told, "RepoDigests"))


def _rule(policy: str) -> str:
    rule = policy.lower()
    if rule not in {"always", "ifnotpresent", "never"}:
        _log.warning("unknown image_pull_policy %r acts as Always", policy)
        return "always"
    return rule


async def _problem(stream: Stream) -> str | None:
    """The first error of a pull: an HTTP refusal, or a line of the stream."""
    if stream.status != HTTPStatus.OK:
        answer = await stream.rest()
        if away := failures.unless_away(answer):
            raise away
        return answer.message
    async with contextlib.aclosing(stream.lines()) as lines:
        async for line in lines:
            error = _progress(line).get("error")
            if error is not None:
                return str(error)[:LONGEST_TEXT]
    return None


def _progress(line: bytes) -> payload.Payload:
    """A line that cannot be read is progress as well."""
    try:
        return payload.as_payload(payload.decode(line))
    except (ValueError, Unavailable):
        return {}


def _chosen(reference: Reference, found: _Local) -> Image:
    """The image by its digest in the repository asked for, else in another, else as written."""
    digests = [entry for entry in found.repo_digests if references.is_digest(_digest(entry))]
    wanted = references.normalised(reference.repository)
    own = [entry for entry in digests if references.normalised(_repository(entry)) == wanted]
    exact = [entry for entry in own if _digest(entry) == reference.digest]
    if digests and not own:
        _log.warning(
            "image %r has no digest in its own repository, taking that of %r",
            reference.written,
            digests[0],
        )
    for entry in (*exact, *own, *digests):
        return Image(ref=entry, digest=_digest(entry))
    return Image(ref=reference.written, digest=found.id)


def _matching(found: _Local, pin: str) -> Image | None:
    """The found image if it is the pinned one, and a name for it that cannot move."""
    for entry in found.repo_digests:
        if _digest(entry) == pin:
            return Image(ref=entry, digest=pin)
    return Image(ref=pin, digest=pin) if found.id == pin else None


def _digest(entry: str) -> str:
    return entry.partition("@")[2]


def _repository(entry: str) -> str:
    return entry.partition("@")[0]
