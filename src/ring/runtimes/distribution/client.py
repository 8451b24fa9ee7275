"""What a registry is asked for: the digest that a tag stands for, manifests, and blobs."""

from __future__ import annotations

import logging
import re
from contextlib import aclosing, asynccontextmanager
from dataclasses import replace
from http import HTTPStatus
from typing import TYPE_CHECKING, Final, TypeVar

from ring.runtimes.distribution import descriptors
from ring.runtimes.distribution.descriptors import (
    INDEXES,
    MANIFESTS,
    MOST_MANIFEST_BYTES,
    Descriptor,
)
from ring.runtimes.distribution.exchanges import Exchanges, Question, Unanswered
from ring.runtimes.distribution.hosts import PULL, RESOLVE, Hosts
from ring.runtimes.distribution.problems import RegistryProblem
from ring.runtimes.distribution.tokens import basic
from ring.runtimes.distribution.transport import Deadlines, Transport, shown
from ring.runtimes.images import references
from ring.runtimes.images.refusals import Cause

if TYPE_CHECKING:
    from collections.abc import (
        AsyncGenerator,
        AsyncIterator,
        Awaitable,
        Callable,
        Mapping,
        Sequence,
    )
    from pathlib import Path

    import aiohttp

    from ring.clock import Clock
    from ring.runtimes.base import Login
    from ring.runtimes.distribution.hosts import Endpoint
    from ring.runtimes.images.references import Reference

_log = logging.getLogger(__name__)

T = TypeVar("T")

_ACCEPTED: Final = {"Accept": ", ".join((*INDEXES, *MANIFESTS))}
_REPOSITORY: Final = re.compile(
    r"[a-z0-9]+(?:(?:\.|__?|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:\.|__?|-+)[a-z0-9]+)*)*"
)
_TAG: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}")
"""What both are made of, by the OCI Distribution Specification 1.1, "Pulling manifests"."""
_DIGEST: Final = "Docker-Content-Digest"
_MOST_DIGITS: Final = 19
"""Of any length that there can be."""
_RANGE: Final = re.compile(r"bytes ([0-9]{1,19})-[0-9]{1,19}/(?:\*|[0-9]{1,19})")


class Blob:
    """A blob on its way."""

    def __init__(
        self, transport: Transport, response: aiohttp.ClientResponse, offset: int, size: int
    ) -> None:
        self._transport = transport
        self._response = response
        self._size = size
        self.offset = offset
        """Where it really begins: 0 where the server knows of no ranges."""

    async def chunks(self) -> AsyncGenerator[bytes, None]:
        """Bytes from `offset` to the end, not yet compared with the digest.

        Raises RegistryProblem where they end too early, with BROKEN_OFF, UNREACHABLE or TOO_SLOW,
        or too late. What had come but was not taken by then is lost: resume from what was taken.
        """
        at, url = self.offset, self._response.url
        async with aclosing(self._transport.chunks(self._response)) as chunks:
            async for chunk in chunks:
                at += len(chunk)
                if at > self._size:
                    raise RegistryProblem(
                        Cause.OTHER, f"{shown(url)}: it sends more than {self._size} bytes"
                    )
                yield chunk
        if at < self._size:
            raise RegistryProblem(
                Cause.BROKEN_OFF, f"{shown(url)}: it ended after {at} of {self._size} bytes"
            )


class Registries:
    """Every registry and its mirrors. Any number of questions at once."""

    def __init__(
        self,
        hosts_dir: Path,
        insecure: Sequence[str] = (),
        *,
        deadlines: Deadlines | None = None,
        clock: Clock | None = None,
    ) -> None:
        """insecure: registries, as references name them, that need no certificate nor any TLS."""
        self._transport = Transport(deadlines or Deadlines(), clock)
        self._exchanges = Exchanges(self._transport)
        self._hosts = Hosts(hosts_dir, insecure)

    async def close(self) -> None:
        await self._transport.close()

    async def resolve(self, reference: Reference, login: Login | None) -> Descriptor:
        """What the reference stands for now: an index or a manifest. Raises RegistryProblem."""
        question = _manifest(reference, reference.version, login)
        capability = PULL if reference.digest else RESOLVE
        return await self._first(
            question, capability, lambda endpoint: self._resolved(endpoint, question, reference)
        )

    async def manifest(self, reference: Reference, digest: str, login: Login | None) -> bytes:
        """The index or manifest of this digest, which it was compared with.

        Raises RegistryProblem, also where it is longer than MOST_MANIFEST_BYTES.
        """
        question = _manifest(reference, digest, login)
        return await self._first(
            question, PULL, lambda endpoint: self._content(endpoint, question, digest)
        )

    @asynccontextmanager
    async def blob(
        self, reference: Reference, descriptor: Descriptor, offset: int, login: Login | None
    ) -> AsyncIterator[Blob]:
        """The blob from `offset` on, where the server can do that.

        Entering raises RegistryProblem; a blob that is missing is no missing image.
        """
        headers = {"Range": f"bytes={offset}-"} if offset else {}
        question = _question(reference, f"blobs/{descriptor.digest}", login, headers)
        response, begin = await self._first(
            question, PULL, lambda endpoint: self._opened(endpoint, question, offset)
        )
        try:
            yield Blob(self._transport, response, begin, descriptor.size)
        finally:
            response.close()

    async def _first(
        self, question: Question, capability: str, ask: Callable[[Endpoint], Awaitable[T]]
    ) -> T:
        """What the first endpoint gives that gives anything."""
        failed: list[RegistryProblem] = []
        registry = question.registry
        for endpoint in await self._hosts.of(registry, capability):
            if endpoint.is_fallback and not isinstance(failed[-1], Unanswered):
                break
            try:
                return await ask(endpoint)
            except RegistryProblem as problem:
                if endpoint.is_fallback and not isinstance(problem, Unanswered):
                    failed.pop()  # what was attempted first is not spoken there
                failed.append(_without_secrets(problem, question.login))
                if endpoint.is_mirror:
                    _log.info("mirror %s of %s: %s", endpoint.base, registry, failed[-1].text)
        raise _together(failed) from failed[-1]

    async def _resolved(
        self, endpoint: Endpoint, question: Question, reference: Reference
    ) -> Descriptor:
        """By the head alone where that says everything; a registry limits how many are read."""
        response = await self._exchanges.ask(endpoint, replace(question, method="HEAD"))
        response.close()
        if response.status == HTTPStatus.TOO_MANY_REQUESTS:
            raise await self._transport.problem(response)
        if (found := _described(response, reference)) is not None:
            return found
        response = await self._exchanges.ask(endpoint, question)
        content = await self._read(response)
        media_type = descriptors.media_type_of(content, _media_type(response))
        descriptors.parse_index_or_manifest(content, media_type)
        digest = descriptors.digest_of(content)
        for told in (reference.digest, response.headers.get(_DIGEST)):
            if told is not None:
                descriptors.verified(content, told)
        return Descriptor(media_type, digest, len(content))

    async def _content(self, endpoint: Endpoint, question: Question, digest: str) -> bytes:
        return descriptors.verified(
            await self._read(await self._exchanges.ask(endpoint, question)), digest
        )

    async def _read(self, response: aiohttp.ClientResponse) -> bytes:
        if response.status != HTTPStatus.OK:
            raise await self._transport.problem(response)
        try:
            return await self._transport.content(response, MOST_MANIFEST_BYTES)
        finally:
            response.close()

    async def _opened(
        self, endpoint: Endpoint, question: Question, offset: int
    ) -> tuple[aiohttp.ClientResponse, int]:
        """The answer, and where in the blob it begins."""
        response = await self._exchanges.ask(endpoint, question)
        if response.status == HTTPStatus.OK:
            return response, 0
        if response.status == HTTPStatus.PARTIAL_CONTENT and offset:
            found = _RANGE.fullmatch(response.headers.get("Content-Range", "").strip())
            if found and int(found[1]) <= offset:
                return response, int(found[1])
        problem = await self._transport.problem(response)
        if problem.cause is Cause.NOT_FOUND:
            raise RegistryProblem(Cause.OTHER, f"a part of the image is missing: {problem.text}")
        raise problem


def _described(response: aiohttp.ClientResponse, reference: Reference) -> Descriptor | None:
    """None: it says too little, or refuses without a word, as an answer to a HEAD does."""
    told = response.headers.get(_DIGEST) or reference.digest or ""
    length = response.headers.get("Content-Length", "")
    media_type = _media_type(response)
    is_told = (
        response.status == HTTPStatus.OK
        and media_type in (*INDEXES, *MANIFESTS)
        and references.is_digest(told)
        and told == (reference.digest or told)
        and length.isascii()
        and length.isdecimal()
        and len(length) <= _MOST_DIGITS
        and 0 < int(length) <= MOST_MANIFEST_BYTES
    )
    return Descriptor(media_type, told, int(length)) if is_told else None


def _media_type(response: aiohttp.ClientResponse) -> str:
    return response.headers.get("Content-Type", "").partition(";")[0].strip().lower()


def _manifest(reference: Reference, version: str, login: Login | None) -> Question:
    return _question(reference, f"manifests/{version}", login, _ACCEPTED)


def _question(
    reference: Reference, path: str, login: Login | None, headers: Mapping[str, str]
) -> Question:
    """Raises RegistryProblem for what no registry can have."""
    registry, _, repository = references.normalised(reference.repository).partition("/")
    version = path.partition("/")[2]
    if not _REPOSITORY.fullmatch(repository) or not (
        references.is_digest(version) or _TAG.fullmatch(version)
    ):
        raise RegistryProblem(
            Cause.NOT_FOUND, f"'{reference.written}' is no reference that a registry could know"
        )
    return Question(registry, repository, path, login, headers=headers)


def _without_secrets(problem: RegistryProblem, login: Login | None) -> RegistryProblem:
    """What a server says may be what it was told."""
    if login is None:
        return problem
    text = problem.text
    for secret in (login.password, login.identity_token, basic(login)):
        if secret:
            text = text.replace(secret, "***")
    return type(problem)(problem.cause, text, problem.retry_after_s)


def _together(failed: Sequence[RegistryProblem]) -> RegistryProblem:
    """Why none gave anything: for the reason of the registry itself, which was asked last.

    A mirror that lacks the image says nothing of a registry that cannot be reached.
    """
    last = failed[-1]
    texts = [
        one.text
        for one in failed
        if one.cause is not Cause.NOT_FOUND or last.cause is not Cause.UNREACHABLE
    ]
    return RegistryProblem(last.cause, "; ".join(dict.fromkeys(texts)), last.retry_after_s)
