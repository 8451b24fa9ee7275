"""One question to one endpoint: with what it must be told of who asks, and wherever it redirects
to. Neither login nor token nor header of an endpoint is ever told to another server."""

from __future__ import annotations

from dataclasses import dataclass, field
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from multidict import CIMultiDict
from yarl import URL

from ring.runtimes.distribution import challenges
from ring.runtimes.distribution.problems import RegistryProblem
from ring.runtimes.distribution.tokens import Asker, Tokens
from ring.runtimes.distribution.transport import shown
from ring.runtimes.images.refusals import Cause

if TYPE_CHECKING:
    from collections.abc import Mapping

    import aiohttp

    from ring.runtimes.base import Login
    from ring.runtimes.distribution.hosts import Endpoint
    from ring.runtimes.distribution.transport import Transport

_MOST_REDIRECTS: Final = 5
_REDIRECTS: Final = frozenset(
    {
        HTTPStatus.MOVED_PERMANENTLY,
        HTTPStatus.FOUND,
        HTTPStatus.SEE_OTHER,
        HTTPStatus.TEMPORARY_REDIRECT,
        HTTPStatus.PERMANENT_REDIRECT,
    }
)


class Unanswered(RegistryProblem):
    """Nobody speaks the endpoint's protocol there."""


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked of any endpoint of a registry."""

    registry: str
    repository: str
    path: str
    """Within the repository: `manifests/latest`."""
    login: Login | None
    """For the registry itself."""
    method: str = "GET"
    headers: Mapping[str, str] = field(default_factory=dict, hash=False)

    def url(self, endpoint: Endpoint) -> URL:
        base = f"{endpoint.base}".rstrip("/")
        url = URL(f"{base}/{self.repository}/{self.path}")
        return url.update_query(ns=self.registry) if endpoint.is_mirror else url


class Exchanges:
    """Asks, and follows."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self._tokens = Tokens(transport)

    async def ask(self, endpoint: Endpoint, question: Question) -> aiohttp.ClientResponse:
        """The answer, of any status but a redirect; the caller closes it.

        Raises RegistryProblem; Unanswered where it is the endpoint itself that says nothing.
        """
        url = question.url(endpoint)
        for redirects in range(_MOST_REDIRECTS + 1):
            try:
                response = await self._transport.send(
                    question.method,
                    url,
                    tls=endpoint.tls,
                    headers=self._headers(endpoint, question, url),
                )
            except RegistryProblem as problem:
                if redirects:
                    raise
                raise Unanswered(problem.cause, problem.text) from problem
            if response.status == HTTPStatus.UNAUTHORIZED:
                response = await self._again(endpoint, question, url, response)
            if response.status not in _REDIRECTS:
                return response
            response.close()
            url = _target(response, url)
        raise RegistryProblem(Cause.OTHER, f"{shown(url)}: it redirects too often")

    async def _again(
        self, endpoint: Endpoint, question: Question, url: URL, refused: aiohttp.ClientResponse
    ) -> aiohttp.ClientResponse:
        """The answer once it is told who asks; the refusal itself where that changes nothing."""
        asker = _asker(endpoint, question, url)
        before = self._tokens.known(asker)
        asked = challenges.parsed(refused.headers.getall("WWW-Authenticate", []))
        try:
            authorization = await self._tokens.answer(asker, asked)
        except BaseException:
            refused.close()
            raise
        if authorization is None or authorization == before:
            return refused
        # Read to its end, it leaves the connection to the next.
        await self._transport.problem(refused)
        return await self._transport.send(
            question.method,
            url,
            tls=endpoint.tls,
            headers=self._headers(endpoint, question, url),
        )

    def _headers(self, endpoint: Endpoint, question: Question, url: URL) -> CIMultiDict[str]:
        headers = CIMultiDict(question.headers)
        if url.origin() == endpoint.base.origin():
            headers.extend(endpoint.headers)
        if authorization := self._tokens.known(_asker(endpoint, question, url)):
            headers["Authorization"] = authorization
        return headers


def _asker(endpoint: Endpoint, question: Question, url: URL) -> Asker:
    is_registry = url.origin() == endpoint.base.origin() and not endpoint.is_mirror
    login = question.login if is_registry else None
    return Asker(url.origin(), question.repository, login, endpoint.tls)


def _target(response: aiohttp.ClientResponse, url: URL) -> URL:
    """Where it redirects to: as it is written, since it may be signed."""
    try:
        target = url.join(URL(response.headers.get("Location", ""), encoded=True))
        is_usable = target.scheme in ("https", url.scheme) and bool(target.host)
        is_usable = is_usable and target.user is None and target != url
    except ValueError:
        is_usable = False
    if not is_usable:
        raise RegistryProblem(
            Cause.OTHER, f"{shown(url)}: it redirects to no address that may be asked"
        )
    return target.with_fragment(None)
