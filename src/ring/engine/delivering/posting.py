"""Sends one event to one hook over HTTP.

What it connects to is always an address that was judged for this very attempt: names are resolved
here and nowhere else, no proxy and no redirect is followed, and no connection is kept.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
from typing import TYPE_CHECKING, Final, Protocol

import aiohttp

from ring import __version__
from ring.core.errors import RingError
from ring.engine.outbound.judged import Judged
from ring.engine.outbound.names import Names
from ring.security import destinations

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable

    from ring.security.destinations import Address
    from ring.store.webhooks import Due, Target

TIMEOUT_S: Final = 10.0
_READ_BYTES: Final = 16 * 1024
"""Of an answer, of which nothing but the status counts."""


_CAUSES: Final[tuple[tuple[type[Exception], str], ...]] = (
    (aiohttp.ClientConnectorDNSError, "its host name cannot be resolved"),
    (aiohttp.ClientConnectorSSLError, "no TLS connection could be made"),
    (aiohttp.ServerDisconnectedError, "it closed the connection without an answer"),
    (ConnectionError, "it closed the connection without an answer"),
    (aiohttp.ClientResponseError, "its answer is not HTTP"),
    (aiohttp.ClientPayloadError, "its answer is not HTTP"),
)


class Undelivered(RingError):
    """The hook did not take the event. The message is what its owner is shown."""


class Post(Protocol):
    async def __call__(self, target: Target, due: Due) -> None:
        """One attempt. Raises Undelivered."""
        ...


def signature(secret: str, body: bytes) -> str:
    """The value of `X-Ring-Signature`."""
    return "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


class Poster:
    """Waits at most `timeout_s` for a whole attempt, the look-up of the name included."""

    def __init__(
        self,
        *,
        names: Names | None = None,
        blocks: Callable[[Address], bool] = destinations.blocked,
        timeout_s: float = TIMEOUT_S,
        trust: ssl.SSLContext | None = None,
    ) -> None:
        """`blocks` says which addresses are out of bounds; `trust` replaces the machine's own
        certificates."""
        self._names = names or Names()
        self._blocks = blocks
        self._timeout_s = timeout_s
        self._trust = trust
        self._session: aiohttp.ClientSession | None = None

    async def __call__(self, target: Target, due: Due) -> None:
        try:
            async with asyncio.timeout(self._timeout_s):
                status = await self._send(target, due)
        except TimeoutError:
            raise Undelivered(f"no answer within {self._timeout_s:g} s") from None
        except destinations.Refused as error:
            raise Undelivered(f"blocked: {error.message}") from None
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise Undelivered(_cause(error)) from None
        if not 200 <= status < 300:
            raise Undelivered(f"subscriber returned {status}")

    async def close(self) -> None:
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    async def _send(self, target: Target, due: Due) -> int:
        """The status of the answer."""
        to = destinations.check(target.url, self._blocks)
        body = due.payload.encode()
        headers = {
            "Content-Type": "application/json",
            "User-Agent": f"ring/{__version__}",
            "X-Ring-Event": due.kind,
            "X-Ring-Delivery": due.event_id,
            "X-Ring-Attempt": str(due.failures + 1),
        }
        if target.secret:
            headers["X-Ring-Signature"] = signature(target.secret, body)
        async with self._opened().post(
            to.url, data=body, headers=headers, allow_redirects=False
        ) as response:
            response.close()  # whatever else it says
            return response.status

    def _opened(self) -> aiohttp.ClientSession:
        if self._session is None:
            connector = aiohttp.TCPConnector(
                resolver=Judged(self._names, self._blocks),
                use_dns_cache=False,
                force_close=True,
                limit=0,
                ssl=True if self._trust is None else self._trust,
            )
            self._session = aiohttp.ClientSession(
                connector=connector,
                cookie_jar=aiohttp.DummyCookieJar(),
                timeout=aiohttp.ClientTimeout(total=None),
                trust_env=False,
                auto_decompress=False,
                skip_auto_headers=("Accept-Encoding",),
                read_bufsize=_READ_BYTES,
            )
        return self._session


def _cause(error: Exception) -> str:
    """In words that hold neither the URL nor anything of the answer."""
    for kind, said in _CAUSES:
        if isinstance(error, kind):
            return said
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        inner = error.certificate_error
        said = str(getattr(inner, "verify_message", "")) or "it cannot be verified"
        return f"its certificate is not trusted: {said}"
    if isinstance(error, aiohttp.ClientConnectorError):
        reason = error.os_error.strerror or type(error.os_error).__name__
        return f"cannot connect: {reason}"
    return f"it could not be sent: {type(error).__name__}"
