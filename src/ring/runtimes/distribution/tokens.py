"""Who asks, told the way a registry wants to hear it: Basic, or a token that its own service gives
out for Basic, for an identity token, or for nothing (the distribution project's token
authentication).
"""

from __future__ import annotations

import base64
import json
import re
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import TYPE_CHECKING, Final, TypeGuard

from yarl import URL

from ring.clock import SystemClock
from ring.runtimes.distribution.problems import RegistryProblem
from ring.runtimes.distribution.transport import shown
from ring.runtimes.images.refusals import Cause

if TYPE_CHECKING:
    import ssl
    from collections.abc import Sequence

    from ring.clock import Clock
    from ring.runtimes.base import Login
    from ring.runtimes.distribution.challenges import Challenge
    from ring.runtimes.distribution.transport import Transport

CLIENT_ID: Final = "ring"
_USUAL_LIFE_S: Final = 60.0
"""Of a token that says nothing of it, and the shortest that is believed."""
_LONGEST_LIFE_S: Final = 3600.0
_MARGIN_S: Final = 10.0
"""A token is not used in its last seconds: it has to arrive as well."""
_MOST_ANSWER_BYTES: Final = 1024 * 1024
_HEADER_TEXT: Final = re.compile(r"[\x21-\x7e]+")


@dataclass(frozen=True, slots=True)
class Asker:
    """Who asks whom for what; what it is allowed to is kept under this."""

    origin: URL
    """Scheme, host and port of the server that is asked."""
    repository: str
    login: Login | None
    tls: ssl.SSLContext = field(repr=False)

    @property
    def scope(self) -> str:
        return f"repository:{self.repository}:pull"


class Tokens:
    """What has been told to servers, for as long as it is good."""

    def __init__(self, transport: Transport, clock: Clock | None = None) -> None:
        self._transport = transport
        self._clock = clock or SystemClock()
        self._known: dict[Asker, tuple[str, float]] = {}
        """`Authorization`, and the monotonic time at which it ends."""

    def known(self, asker: Asker) -> str | None:
        """`Authorization` that may still be good."""
        kept = self._known.get(asker)
        return kept[0] if kept is not None and self._clock.mono() < kept[1] else None

    async def answer(self, asker: Asker, asked: Sequence[Challenge]) -> str | None:
        """`Authorization` as a server asks for it. None: nothing that could be told would do.

        Raises RegistryProblem where the token service gives none.
        """
        for challenge in asked:
            if challenge.scheme == "bearer" and (realm := challenge.parameters.get("realm")):
                token, life_s = await self._token(asker, _realm(asker, realm), challenge)
                return self._keep(asker, f"Bearer {token}", life_s - _MARGIN_S)
        if any(challenge.scheme == "basic" for challenge in asked) and _has_password(asker.login):
            return self._keep(asker, basic(asker.login), _LONGEST_LIFE_S)
        return None

    def _keep(self, asker: Asker, authorization: str, life_s: float) -> str:
        now = self._clock.mono()
        self._known = {one: kept for one, kept in self._known.items() if now < kept[1]}
        self._known[asker] = (authorization, now + life_s)
        return authorization

    async def _token(self, asker: Asker, realm: URL, challenge: Challenge) -> tuple[str, float]:
        """A token, and for how many seconds it is good."""
        told = {
            # A registry behind a proxy may know the repository under another name.
            "scope": challenge.parameters.get("scope") or asker.scope,
        }
        if service := challenge.parameters.get("service"):
            told["service"] = service
        login = asker.login
        if login is not None and login.identity_token:
            method, headers = "POST", {}
            form = {
                **told,
                "grant_type": "refresh_token",
                "client_id": CLIENT_ID,
                "refresh_token": login.identity_token,
            }
        else:
            method, form = "GET", None
            realm = realm.update_query(told)
            headers = {"Authorization": basic(login)} if _has_password(login) else {}
        response = await self._transport.send(
            method, realm, tls=asker.tls, headers=headers, form=form
        )
        if response.status != HTTPStatus.OK:
            raise _refused(response.status, await self._transport.problem(response))
        try:
            content = await self._transport.content(response, _MOST_ANSWER_BYTES)
        finally:
            response.close()
        return _given(shown(realm), content)


def basic(login: Login) -> str:
    """`Authorization` of RFC 7617, in UTF-8."""
    written = f"{login.username}:{login.password}".encode()
    return f"Basic {base64.b64encode(written).decode()}"


def _has_password(login: Login | None) -> TypeGuard[Login]:
    return login is not None and not login.identity_token and bool(login.username)


def _realm(asker: Asker, written: str) -> URL:
    """The address of the token service. A login is told in the clear to nobody whose registry is
    not asked in the clear as well."""
    try:
        realm = URL(written)
        is_usable = bool(realm.host) and realm.user is None
    except ValueError:
        is_usable = False
    schemes = ("https", "http") if asker.origin.scheme == "http" else ("https",)
    if not is_usable or realm.scheme not in schemes:
        raise RegistryProblem(
            Cause.OTHER,
            f"{shown(asker.origin)}: its token service is at no address of {' or '.join(schemes)}",
        )
    return realm


def _refused(status: int, problem: RegistryProblem) -> RegistryProblem:
    """A missing token service is no missing image, and a token that is not renewed a bad login."""
    cause = problem.cause
    if cause is Cause.NOT_FOUND:
        cause = Cause.OTHER
    if status == HTTPStatus.BAD_REQUEST and cause is Cause.OTHER:
        cause = Cause.DENIED
    return RegistryProblem(cause, problem.text, problem.retry_after_s)


def _given(host: str, content: bytes) -> tuple[str, float]:
    try:
        told = json.loads(content)
    except (ValueError, RecursionError):
        told = None
    found = (told.get("token") or told.get("access_token")) if isinstance(told, dict) else None
    if not isinstance(found, str) or not _HEADER_TEXT.fullmatch(found):
        raise RegistryProblem(Cause.OTHER, f"{host}: its answer holds no token")
    life_s = told.get("expires_in")
    if not isinstance(life_s, int | float):
        return found, _USUAL_LIFE_S
    return found, min(max(_USUAL_LIFE_S, life_s), _LONGEST_LIFE_S)
