"""An HTTP probe: passes when a GET is answered with a status that means success.

Nothing but the status counts, so nothing but the head of an answer is read. Certificates are not
verified: an instance is reached by its address, for which nobody issues one.

Whoever may write a deployment chooses the URL. A host that does not mean the instance is held to
what a webhook is held to: nothing of this machine's own is reached, whatever its name stands for.
An instance on the host's network is this machine, as far as `localhost` goes.
"""

from __future__ import annotations

import ipaddress
import socket
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final
from urllib.parse import SplitResult, urlsplit

import aiohttp

from ring import __version__
from ring.engine.outbound.judged import Judged, given
from ring.engine.outbound.names import Names
from ring.engine.probing.probed import failed, passed
from ring.engine.probing.tcp import reason
from ring.security import destinations

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from aiohttp.abc import ResolveResult

    from ring.engine.probing.probed import Probed
    from ring.engine.ways import Way

HERE: Final = frozenset({"localhost", "127.0.0.1", "::1"})
"""Hosts that mean the instance."""
LOCALHOST: Final = "localhost"
LOOPBACK: Final = tuple(ipaddress.ip_address(one) for one in ("127.0.0.1", "::1"))
_PORTS: Final = {"http": 80, "https": 443}
_LONGEST_LINE_BYTES: Final = 8 * 1024
_MOST_HEADERS: Final = 100
_READ_BYTES: Final = 16 * 1024
"""Taken at a time; what has not been asked for stays with the sender."""

_CAUSES: Final[tuple[tuple[type[Exception], str], ...]] = (
    (aiohttp.ClientConnectorDNSError, "its host name cannot be resolved"),
    (aiohttp.ClientConnectorSSLError, "no TLS connection could be made"),
    (aiohttp.ServerDisconnectedError, "it closed the connection without an answer"),
    (aiohttp.ClientConnectorError, ""),
    (ConnectionError, "it closed the connection without an answer"),
    (aiohttp.ClientResponseError, "its answer is not HTTP"),
    (aiohttp.ClientPayloadError, "its answer is not HTTP"),
    (aiohttp.ClientOSError, "it closed the connection without an answer"),
    (aiohttp.InvalidURL, "it is no URL that can be asked for"),
)


class _OnHost(Judged):
    """For an instance on this machine's own network, whose `localhost` it shares."""

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        if host == LOCALHOST:
            return given(host, port, LOOPBACK)
        return await super().resolve(host, port, family)


class Requests:
    """Sessions for all probes. No proxy, no redirect, no cookie, no kept connection."""

    def __init__(self, names: Names | None = None) -> None:
        self._names = names or Names()
        """Looked up on threads of their own: a name server that hangs holds up nothing else."""
        self._sessions: dict[type[Judged], aiohttp.ClientSession] = {}
        """Apart: no spelling of `localhost` may get from one resolver to the other."""

    async def close(self) -> None:
        sessions, self._sessions = self._sessions, {}
        for session in sessions.values():
            await session.close()

    async def probe(self, address: str | None, written: str, by: Way | None = None) -> Probed:
        """None: the instance is on this machine's own network, and `localhost` means what it says.

        by: how a URL that means the instance is reached, if not by its address alone. Raises
        TimeoutError where the system itself gives up.
        """
        try:
            asked = urlsplit(written)
            url = asked if address is None else at_instance(asked, address, by)
        except ValueError as error:
            return failed(f"HTTP request failed for {written}: {error}")
        shown = _shown(url)
        if by is not None and by.socket is not None:
            async with _only(by.socket) as session:
                return await self._asked(session, asked, url, shown)
        session = self._open(_OnHost if address is None else Judged)
        return await self._asked(session, asked, url, shown)

    async def _asked(
        self, session: aiohttp.ClientSession, asked: SplitResult, url: SplitResult, shown: str
    ) -> Probed:
        try:
            if asked.hostname not in HERE:
                destinations.check(url.geturl())
            response = await session.get(url.geturl(), allow_redirects=False)
        except TimeoutError:
            raise
        except destinations.Refused as error:
            return failed(f"HTTP request failed for {shown}: {error.message}")
        except (aiohttp.ClientError, OSError, ValueError) as error:
            return failed(f"HTTP request failed for {shown}: {_cause(error)}")
        response.close()
        if 200 <= response.status <= 299:
            return passed(f"HTTP check successful ({response.status}) for {shown}")
        return failed(f"HTTP check failed with status {response.status} for {shown}")

    def _open(self, resolver: type[Judged]) -> aiohttp.ClientSession:
        if resolver not in self._sessions:
            self._sessions[resolver] = _session(
                aiohttp.TCPConnector(
                    resolver=resolver(self._names, destinations.blocked),
                    use_dns_cache=False,
                    limit=0,
                    force_close=True,
                    ssl=False,
                )
            )
        return self._sessions[resolver]


def _session(connector: aiohttp.TCPConnector) -> aiohttp.ClientSession:
    return aiohttp.ClientSession(
        connector=connector,
        cookie_jar=aiohttp.DummyCookieJar(),
        # The caller keeps the time of the whole probe.
        timeout=aiohttp.ClientTimeout(total=None, sock_connect=None),
        headers={"User-Agent": f"ring/{__version__}"},
        auto_decompress=False,
        trust_env=False,
        read_bufsize=_READ_BYTES,
        max_line_size=_LONGEST_LINE_BYTES,
        max_field_size=_LONGEST_LINE_BYTES,
        max_headers=_MOST_HEADERS,
    )


@asynccontextmanager
async def _only(link: socket.socket) -> AsyncIterator[aiohttp.ClientSession]:
    """For one request over this socket, which is closed in any case."""
    left = [link]
    # Whoever connects it closes it from then on.
    connector = aiohttp.TCPConnector(
        force_close=True, ssl=False, socket_factory=lambda _address: left.pop()
    )
    try:
        async with _session(connector) as session:
            yield session
    finally:
        for one in left:
            one.close()


def port_at_instance(written: str) -> int | None:
    """Where the URL means the instance. None: it does not, or says nothing that can be asked."""
    try:
        url = urlsplit(written)
        port = url.port
    except ValueError:
        return None
    if url.hostname not in HERE:
        return None
    return _PORTS.get(url.scheme) if port is None else port


def at_instance(url: SplitResult, address: str, by: Way | None = None) -> SplitResult:
    """The URL with the address where its host means the instance. Raises ValueError."""
    if url.hostname not in HERE:
        return url
    port = "" if url.port is None else f":{url.port}"
    if by is not None and by.address != address:
        address, port = by.address, f":{by.port}"
    host = f"[{address}]" if _is_ipv6(address) else address
    user, at, _ = url.netloc.rpartition("@")
    return url._replace(netloc=f"{user}{at}{host}{port}")


def _is_ipv6(address: str) -> bool:
    return ipaddress.ip_address(address).version == 6


def _shown(url: SplitResult) -> str:
    """For messages: without the password that a URL may hold."""
    user, at, host = url.netloc.rpartition("@")
    if ":" in user:
        user = f"{user.partition(':')[0]}:***"
    return url._replace(netloc=f"{user}{at}{host}").geturl()


def _cause(error: Exception) -> str:
    cause = next((text for kind, text in _CAUSES if isinstance(error, kind)), "")
    if cause:
        return cause
    if isinstance(error, aiohttp.ClientConnectorError):
        return reason(error.os_error)
    return str(error) or type(error).__name__
