"""HTTP to registries: deadlines, redirects, and what goes wrong on the way, in words.

Redirects are followed here and not by the library: each place is told only what is meant for it.
"""

from __future__ import annotations

import asyncio
import os
import re
import ssl
from contextlib import aclosing, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import aiohttp

from ring import __version__
from ring.clock import SystemClock
from ring.runtimes.distribution.pace import Pace
from ring.runtimes.distribution.problems import RegistryProblem, of_answer
from ring.runtimes.images.refusals import Cause

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Iterator, Mapping

    from yarl import URL

    from ring.clock import Clock

_READ_BYTES: Final = 128 * 1024
_LONGEST_LINE_BYTES: Final = 32 * 1024
"""Of a head: signed addresses and tokens are long."""
_MOST_PROBLEM_BYTES: Final = 64 * 1024
"""Read of an answer that refuses."""
_NUMBER: Final = re.compile(r"\[Errno ([0-9]{1,4})\]")


@dataclass(frozen=True, slots=True)
class Deadlines:
    """Nothing limits a whole answer but how slow it may be: it may be gigabytes."""

    connect_s: float = 30.0
    idle_s: float = 120.0
    """Without a byte."""
    head_s: float = 180.0
    """Until the head of an answer is here, however it comes; longer than the two above."""
    window_s: float = 60.0
    """Of waiting, over which a body comes with the least rate or is broken off."""
    least_bytes_per_s: int = 1024
    """Far less than any line has, also where a dozen layers share it."""


class Transport:
    """One session for all registries; connections are kept, cookies are not."""

    def __init__(self, deadlines: Deadlines, clock: Clock | None = None) -> None:
        self._deadlines = deadlines
        self._clock = clock or SystemClock()
        self._session: aiohttp.ClientSession | None = None

    async def close(self) -> None:
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    async def send(
        self,
        method: str,
        url: URL,
        *,
        tls: ssl.SSLContext,
        headers: Mapping[str, str],
        form: Mapping[str, str] | None = None,
    ) -> aiohttp.ClientResponse:
        """One request; a redirect is an answer like any other. The caller closes it.

        Raises RegistryProblem(UNREACHABLE | TOO_SLOW | OTHER) where none comes.
        """
        with self._translated(url, has_begun=False):
            try:
                async with asyncio.timeout(self._deadlines.head_s) as limit:
                    return await self._open().request(
                        method, url, ssl=tls, headers=headers, data=form, allow_redirects=False
                    )
            except TimeoutError as error:
                if not limit.expired():
                    raise  # one of the library's own
                raise RegistryProblem(
                    Cause.TOO_SLOW,
                    f"{shown(url)}: no whole head of an answer in {self._deadlines.head_s:.0f} s",
                ) from error

    async def chunks(self, response: aiohttp.ClientResponse) -> AsyncGenerator[bytes, None]:
        """The body as it comes.

        Raises RegistryProblem where it breaks off, stalls, or comes too slowly, which is told once
        what has come is taken.
        """
        pace = Pace(self._deadlines.least_bytes_per_s, self._deadlines.window_s)
        while not response.content.at_eof():
            since = self._clock.mono()
            with self._translated(response.url, has_begun=True):
                # The library's own deadline is put off by what holds no byte of the body as well.
                async with asyncio.timeout(self._deadlines.idle_s):
                    chunk = await response.content.readany()
            too_slow = pace.too_slow(self._clock.mono() - since, len(chunk))
            if chunk:
                yield chunk
            if too_slow and not response.content.at_eof():
                least = self._deadlines.least_bytes_per_s
                raise RegistryProblem(
                    Cause.TOO_SLOW,
                    f"{shown(response.url)}: {too_slow}, which is less than {least} bytes/s",
                )

    async def content(self, response: aiohttp.ClientResponse, most_bytes: int) -> bytes:
        """The whole body. Raises RegistryProblem, also where there is more of it."""
        parts, size = [], 0
        async with aclosing(self.chunks(response)) as chunks:
            async for part in chunks:
                parts.append(part)
                size += len(part)
                if size > most_bytes:
                    raise RegistryProblem(
                        Cause.OTHER,
                        f"{shown(response.url)}: its answer is longer than {most_bytes} bytes",
                    )
        return b"".join(parts)

    async def problem(self, response: aiohttp.ClientResponse) -> RegistryProblem:
        """What an answer that gives nothing says; it is closed afterwards."""
        host = shown(response.url)
        try:
            body = await self.content(response, _MOST_PROBLEM_BYTES)
        except RegistryProblem:
            body = b""
        finally:
            response.close()
        return of_answer(host, response.status, response.headers, body)

    @contextmanager
    def _translated(self, url: URL, *, has_begun: bool) -> Iterator[None]:
        """Errors of the library as RegistryProblem, which names the host and nothing else of the
        address: the rest of it may be signed."""
        try:
            yield
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise self._problem(shown(url), error, has_begun=has_begun) from error

    def _problem(self, host: str, error: Exception, *, has_begun: bool) -> RegistryProblem:
        cause, text = self._told(error, has_begun=has_begun)
        return RegistryProblem(cause, f"{host}: {text}")

    def _told(self, error: Exception, *, has_begun: bool) -> tuple[Cause, str]:
        text = _tls_problem(error)
        if isinstance(error, aiohttp.ConnectionTimeoutError):
            text = f"no connection within {self._deadlines.connect_s:.0f} s"
        elif isinstance(error, TimeoutError):
            text = f"stalled, no byte for {self._deadlines.idle_s:.0f} s"
        elif isinstance(error, aiohttp.ClientConnectorDNSError):
            text = "its name cannot be resolved"
        elif isinstance(error, aiohttp.ClientConnectorError) and not text:
            text = _reason(error.os_error)
        if text:
            return Cause.UNREACHABLE, text
        if has_begun:
            return Cause.BROKEN_OFF, "it broke off its answer"
        if isinstance(error, aiohttp.ClientConnectionError | OSError):
            return Cause.UNREACHABLE, "it closed the connection without an answer"
        return Cause.OTHER, "its answer is not HTTP that can be read"

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=0),
                cookie_jar=aiohttp.DummyCookieJar(),
                timeout=aiohttp.ClientTimeout(
                    total=None,
                    connect=self._deadlines.connect_s,
                    sock_connect=self._deadlines.connect_s,
                    sock_read=self._deadlines.idle_s,
                ),
                # Digests are those of what is kept, which no transfer may have packed once more.
                headers={"User-Agent": f"ring/{__version__}", "Accept-Encoding": "identity"},
                auto_decompress=False,
                trust_env=False,
                read_bufsize=_READ_BYTES,
                max_line_size=_LONGEST_LINE_BYTES,
                max_field_size=_LONGEST_LINE_BYTES,
            )
        return self._session


def shown(url: URL) -> str:
    """The server alone, for messages: `reg.example:5000`."""
    return f"{url.origin()}".partition("://")[2]


def _tls_problem(error: Exception) -> str:
    """Empty: it is none of TLS."""
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        cause: BaseException | None = error.certificate_error
    elif isinstance(error, aiohttp.ClientConnectorSSLError):
        cause = error.os_error
    else:
        cause = error.__cause__
    if isinstance(cause, ssl.SSLCertVerificationError):
        return f"its certificate is not to be trusted: {cause.verify_message}"
    if isinstance(cause, ssl.SSLError):
        reason = (cause.reason or "unknown").replace("_", " ").lower()
        return f"no TLS connection could be made: {reason}"
    return ""


def _reason(error: OSError) -> str:
    """`connection refused`; of several addresses the first tells."""
    found = _NUMBER.search(f"{error}")
    number = error.errno or (int(found[1]) if found else 0)
    return os.strerror(number).lower() if number else "it cannot be connected to"
