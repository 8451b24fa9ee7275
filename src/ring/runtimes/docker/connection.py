"""HTTP to one engine, over a Unix socket or TCP: requests in, statuses and JSON out.

The only module that knows aiohttp. Whatever goes wrong below HTTP is raised as Unavailable with a
cause that a person can act on.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import json
import re
from dataclasses import dataclass, field
from http import HTTPStatus
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal
from urllib.parse import urlencode, urlsplit

import aiohttp
import yarl

from ring.core.errors import HostError
from ring.core.model.failures import FailureClass
from ring.runtimes.base import RuntimeFailure, Unavailable
from ring.runtimes.docker import paths, payload, tls

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Mapping

Method = Literal["GET", "POST", "PUT", "DELETE"]
NO_HEADERS: Mapping[str, str] = MappingProxyType({})

OLDEST_API = (1, 41)
NEWEST_API = (1, 43)
LIBPOD = "/libpod/"
"""Below it is what Podman tells beyond Docker's API, under versions of its own."""
LIBPOD_API = "4.0.0"
CONNECT_TIMEOUT_S = 10.0
CALL_TIMEOUT_S = 120.0
"""For connecting and short calls; streams have an idle bound of their own."""
LONGEST_LINE_BYTES = 4 * 1024 * 1024
LONGEST_TEXT = 2000
"""Characters of what an engine or a registry says went wrong: it goes into events and answers."""
_VERSION = re.compile(r"([0-9]{1,4})\.([0-9]{1,4})")


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where an engine listens: exactly one of `socket` and `base` tells."""

    host: str
    """As written: `unix:///var/run/docker.sock`."""
    socket: str | None
    base: str
    tls: ssl.SSLContext | None = field(default=None, repr=False)
    """For a base that is https."""


def parse_host(host: str, name: str = "docker") -> Endpoint:
    """Raises HostError, which names the engine, and a scheme that is not known."""
    scheme, separator, rest = host.partition("://")
    if not separator:
        raise HostError(f"{name} host '{host}' has no scheme: write unix://PATH or tcp://HOST:PORT")
    if scheme == "unix" and rest.startswith("/"):
        return Endpoint(host, rest, "http://engine")
    if scheme == "tcp" and _is_address(rest):
        return Endpoint(host, None, f"http://{rest.rstrip('/')}")
    if scheme in {"unix", "tcp"}:
        raise HostError(f"{name} host '{host}': write unix:///PATH or tcp://HOST:PORT")
    raise HostError(
        f"{name} host '{host}' has the unknown scheme '{scheme}': "
        "write unix://PATH or tcp://HOST:PORT"
    )


def _is_address(rest: str) -> bool:
    try:
        parts = urlsplit(f"//{rest}")
        return bool(parts.hostname) and parts.port is not None and parts.path in {"", "/"}
    except ValueError:
        return False


@dataclass(frozen=True, slots=True)
class Answer:
    """One whole answer."""

    status: int
    content: bytes
    api: str = ""
    """The newest API version that the engine speaks, where the answer's head has it."""

    def json(self) -> object:
        return payload.decode(self.content)

    @property
    def message(self) -> str:
        """What the engine says went wrong."""
        with contextlib.suppress(Unavailable):
            said = self.json()
            if isinstance(said, dict) and isinstance(said.get("message"), str):
                return str(said["message"]).strip()[:LONGEST_TEXT]
        plain = self.content.decode(errors="replace").strip()
        return plain[:500] or f"HTTP status {self.status}"


class Stream:
    """An answer that goes on."""

    def __init__(self, connection: Connection, response: aiohttp.ClientResponse) -> None:
        self.status = response.status
        self.headers: Mapping[str, str] = response.headers
        self._connection = connection
        self._response = response

    async def lines(self) -> AsyncGenerator[bytes, None]:
        """Whole lines as they come, without their end; empty ones are left out.

        Of one that is too long only the beginning comes: what an instance is labelled with must
        not end the stream for all others.
        """
        rest, is_cut = b"", False
        async with contextlib.aclosing(self.chunks()) as chunks:
            async for chunk in chunks:
                kept = chunk
                if is_cut:
                    _, newline, kept = chunk.partition(b"\n")
                    is_cut = not newline
                *whole, rest = (rest + kept).split(b"\n")
                if len(rest) > LONGEST_LINE_BYTES:
                    whole, rest, is_cut = [*whole, rest], b"", True
                for line in whole:
                    if line.strip():
                        yield line
        if rest.strip():
            yield rest

    async def chunks(self) -> AsyncGenerator[bytes, None]:
        """Bytes as they come; the engine is not read faster than they are taken."""
        with self._connection.translated():
            async for chunk in self._response.content.iter_any():
                yield chunk

    async def rest(self) -> Answer:
        """What is left, whole: the text of a refusal."""
        with self._connection.translated():
            return Answer(self.status, await self._response.read())


class Connection:
    """Calls to one engine, under an API version agreed with it."""

    def __init__(self, endpoint: Endpoint) -> None:
        self.endpoint = endpoint
        self._session: aiohttp.ClientSession | None = None
        self._version: str | None = None
        self._agreeing = asyncio.Lock()

    async def close(self) -> None:
        session, self._session = self._session, None
        self._version = None
        if session is not None:
            await session.close()

    async def ping(self) -> None:
        """One real round trip, under the agreed version. Raises Unavailable."""
        answer = await self.call("GET", "/_ping")
        if answer.status != HTTPStatus.OK:
            raise self.unavailable(f"it answers a ping with: {answer.message}")

    async def version(self) -> str:
        """The engine and its API versions, for people. Raises Unavailable; also when none fits."""
        told = await self._told()
        try:
            agreed = agree(told)
            engine, newest = payload.text(told, "Version"), payload.text(told, "ApiVersion")
        except Unavailable as error:
            raise self.unavailable(error.message) from error
        oldest = told.get("MinAPIVersion") or "1.0"
        return f"engine {engine}, API {oldest} to {newest} (Ring speaks {agreed})"

    async def call(
        self,
        method: Method,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: payload.Payload | bytes | None = None,
        headers: Mapping[str, str] = NO_HEADERS,
        timeout_s: float = CALL_TIMEOUT_S,
    ) -> Answer:
        """One request and its whole answer, whatever its status.

        `body` is sent as JSON; bytes are a tar archive. A name in the path that may hold more than
        a word is quoted (see paths). Raises
        RuntimeFailure(INSTANCE_REJECTED) for a path that is not clean, Unavailable.
        """
        version = await self._agreed()
        return await self._send(method, _path(version, path, query), body, headers, timeout_s)

    @contextlib.asynccontextmanager
    async def stream(
        self,
        method: Method,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: payload.Payload | None = None,
        idle_s: float | None,
        headers: Mapping[str, str] = NO_HEADERS,
    ) -> AsyncIterator[Stream]:
        """A request whose answer goes on; ended on leaving.

        `idle_s` bounds the silence between two pieces; None: only the wait for the first.
        Raises IdleTimeout, Unavailable.
        """
        version = await self._agreed()
        timeout = aiohttp.ClientTimeout(
            total=None, sock_connect=CONNECT_TIMEOUT_S, sock_read=idle_s
        )
        async with contextlib.AsyncExitStack() as stack:
            with self.translated():
                async with asyncio.timeout(idle_s or CALL_TIMEOUT_S):
                    response = await stack.enter_async_context(
                        self._open().request(
                            method,
                            self._url(_path(version, path, query)),
                            json=body,
                            headers=headers,
                            timeout=timeout,
                            allow_redirects=False,
                        )
                    )
            yield Stream(self, response)

    async def target(self, path: str) -> str:
        """What is asked for by this path, for whoever speaks HTTP themselves. Raises as `call`."""
        return _path(await self._agreed(), path, None)

    @contextlib.contextmanager
    def translated(self) -> Iterator[None]:
        """Turns every failure of the transport into Unavailable."""
        try:
            yield
        except TimeoutError as error:
            raise IdleTimeout(self._explained("it does not answer in time")) from error
        except (aiohttp.ClientError, OSError) as error:
            # The engine behind the socket may be another one when it comes back.
            self._version = None
            raise self.unavailable(_cause(error, self.endpoint)) from error

    def unavailable(self, cause: str) -> Unavailable:
        return Unavailable(self._explained(cause))

    def _explained(self, cause: str) -> str:
        return f"the engine at {self.endpoint.host} is not available: {cause}"

    async def _agreed(self) -> str:
        if self._version is not None:
            return self._version
        async with self._agreeing:
            if self._version is None:
                self._version = await self._offered() or await self._negotiated()
            return self._version

    async def _offered(self) -> str | None:
        """What a ping has in its head, if it is spoken here: then nothing else matters.

        Podman asks its host's package manager before it answers to /version, for seconds when the
        host is busy.
        """
        answer = await self._send("GET", "/_ping", None, NO_HEADERS, CALL_TIMEOUT_S)
        with contextlib.suppress(Unavailable):
            if OLDEST_API <= _parsed(answer.api) <= NEWEST_API:
                return answer.api
        return None

    async def _negotiated(self) -> str:
        told = await self._told()
        try:
            return agree(told)
        except Unavailable as error:
            raise self.unavailable(error.message) from error

    async def _told(self) -> payload.Payload:
        """What the engine says of itself. Raises Unavailable."""
        answer = await self._send("GET", "/version", None, NO_HEADERS, CALL_TIMEOUT_S)
        if answer.status != HTTPStatus.OK:
            raise self.unavailable(f"it does not tell its version: {answer.message}")
        try:
            return payload.as_payload(answer.json())
        except Unavailable as error:
            raise self.unavailable(error.message) from error

    async def _send(
        self,
        method: Method,
        path: str,
        body: payload.Payload | bytes | None,
        headers: Mapping[str, str],
        timeout_s: float,
    ) -> Answer:
        timeout = aiohttp.ClientTimeout(total=timeout_s, sock_connect=CONNECT_TIMEOUT_S)
        content = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        kind = "application/x-tar" if isinstance(body, bytes) else "application/json"
        with self.translated():
            async with self._open().request(
                method,
                self._url(path),
                data=content,
                headers=dict(headers) | ({} if body is None else {"Content-Type": kind}),
                timeout=timeout,
                allow_redirects=False,
            ) as response:
                api = response.headers.get("Api-Version", "")
                return Answer(response.status, await response.read(), api)

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            # One call a connection. An engine that is being stopped closes its listener first and
            # then ends its instances: over an older connection it would still answer, and the
            # deaths that it causes would pass for their own.
            connector = (
                aiohttp.TCPConnector(limit=0, force_close=True, ssl=self.endpoint.tls or True)
                if self.endpoint.socket is None
                else aiohttp.UnixConnector(self.endpoint.socket, limit=0, force_close=True)
            )
            self._session = aiohttp.ClientSession(
                connector=connector, cookie_jar=aiohttp.DummyCookieJar()
            )
        return self._session

    def _url(self, path: str) -> yarl.URL:
        # As it is: normalised, `..` in a name would lead to another place of the API.
        return yarl.URL(self.endpoint.base + path, encoded=True)


class IdleTimeout(Unavailable):
    """Nothing came for too long."""


def agree(version: payload.Payload) -> str:
    """The API version to speak: the engine's, but none newer than ours. Raises Unavailable."""
    newest = _parsed(payload.text(version, "ApiVersion"))
    oldest = _parsed(str(version.get("MinAPIVersion") or "1.0"))
    if newest < OLDEST_API:
        raise Unavailable(
            f"its API version {_written(newest)} is too old: {_written(OLDEST_API)} is needed"
        )
    if oldest > NEWEST_API:
        raise Unavailable(
            f"it no longer speaks API version {_written(NEWEST_API)}, "
            f"only {_written(oldest)} and newer"
        )
    return _written(min(newest, NEWEST_API))


def _parsed(written: str) -> tuple[int, int]:
    found = _VERSION.fullmatch(written)
    if found is None:
        raise Unavailable(f"'{written[:50]}' is not an API version")
    return int(found[1]), int(found[2])


def _written(version: tuple[int, int]) -> str:
    return f"{version[0]}.{version[1]}"


def _path(version: str, path: str, query: Mapping[str, str] | None) -> str:
    if not paths.is_clean(path):
        raise RuntimeFailure(
            FailureClass.INSTANCE_REJECTED,
            f"nothing on the engine can be named by the path '{path[:200]}'",
        )
    target = f"/v{LIBPOD_API if path.startswith(LIBPOD) else version}{path}"
    return f"{target}?{urlencode(query)}" if query else target


def _cause(error: Exception, endpoint: Endpoint) -> str:
    """Why a connection failed, and what to do where that is known."""
    system = error.os_error if isinstance(error, aiohttp.ClientConnectorError) else error
    match system:
        case FileNotFoundError():
            return f"there is no socket {endpoint.socket}; is the engine running?"
        case PermissionError():
            return f"no permission on {endpoint.socket}; run as root or join the group that owns it"
        case ConnectionRefusedError():
            return "nobody listens there; is the engine running?"
        case aiohttp.ClientResponseError():
            return "what answers there does not speak HTTP as an engine does"
    if _is_cut(system):
        return "it closed the connection before its answer was complete"
    return tls.cause(system) or str(system) or type(system).__name__


def _is_cut(error: Exception) -> bool:
    if isinstance(error, OSError) and error.errno in {errno.ECONNRESET, errno.EPIPE}:
        return True
    return isinstance(error, aiohttp.ServerDisconnectedError | aiohttp.ClientPayloadError)
