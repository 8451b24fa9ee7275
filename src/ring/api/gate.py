"""The one way in: path, credentials, method, scope, in this order, all before any body is read."""

from __future__ import annotations

import logging
from functools import partial
from typing import TYPE_CHECKING

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from ring.api import problems
from ring.api.calls import Call, Caller
from ring.api.deadline import within
from ring.api.problems import Problem, Unread
from ring.api.routing import Guarded, Public, Router
from ring.api.streams import Streamed
from ring.api.upgraded import Upgraded
from ring.core.access import has_expired, seconds_left
from ring.core.errors import HostError, UserError
from ring.security.tokens import is_shaped, token_hash

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from starlette.types import Message, Receive, Scope, Send

    from ring.api.calls import Services
    from ring.api.routing import Match, Route
    from ring.store.store import Token

_LONG_CHARS = 16 * 1024
"""Of a problem's text, which its document repeats up to four times."""

_SAID_EVERY_S = 60.0

_log = logging.getLogger("ring.api")


class Gate:
    """An ASGI application that answers every request, errors included."""

    def __init__(self, routes: Iterable[Route], services: Services) -> None:
        self._router = Router(routes)
        self._services = services
        self._said: dict[str, float] = {}
        """What this machine did not allow, and when that was logged."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        request = Request(scope, receive)
        response = await self._answer(request)
        if request.method == "HEAD":
            response = _without_body(response)
        await response(scope, receive, send)

    async def _answer(self, request: Request) -> Response:
        path = request.scope["path"]
        match = self._router.find(path)
        try:
            if match is None:
                raise Problem(404, "no such path")
            return await self._dispatch(request, match)
        except Problem as problem:
            if isinstance(problem, Unread):
                self._complain(problem.why)
            return await self._refusal(problem, path)
        except UserError as error:
            return await self._refusal(problems.of(error), path)
        except ClientDisconnect:
            return Response(status_code=400)
        except HostError as error:
            self._complain(error.message)
            return await self._refusal(Problem(500, error.message), path)
        except Exception:  # noqa: BLE001 - the boundary of a request: logged, and answered
            # The path template, never the URL: a query may carry a credential.
            template = "/".join(match.resource.segments) if match else ""
            _log.exception("%s %s failed", request.method, template)
            return problems.response(Problem(500, "internal error; the server log has it"), path)

    def _complain(self, why: str) -> None:
        """Now and then: whoever polls meets the same again and again."""
        now = self._services.clock.mono()
        said_at = self._said.get(why)
        if said_at is None or now - said_at >= _SAID_EVERY_S:
            recent = {w: at for w, at in self._said.items() if now - at < _SAID_EVERY_S}
            self._said = {**recent, why: now}
            _log.error("a request failed: %s", why)

    async def _refusal(self, problem: Problem, path: str) -> Response:
        if len(problem.detail) > _LONG_CHARS:  # encoded beside the loop
            return await self._services.checks.beside(lambda: problems.response(problem, path))
        return problems.response(problem, path)

    async def _dispatch(self, request: Request, match: Match) -> Response:
        resource = match.resource
        route = resource.route(request.method)
        if isinstance(route, Public):
            return await route.handler(request, self._services)
        detail = f"{request.method} is not possible here; allowed: {resource.allowed}"
        refusal = Problem(405, detail, headers={"Allow": resource.allowed})
        if resource.is_public:
            raise refusal
        caller = self._authenticate(request, route, match.params)
        if route is None:
            raise refusal
        return await self._guarded(request, match, route, caller)

    async def _guarded(
        self, request: Request, match: Match, route: Guarded, caller: Caller
    ) -> Response:
        if not caller.by_ticket and not route.admits(caller.token.kind, caller.token.scopes):
            raise Problem(403, f"token lacks required scope '{route.scope}'")
        request = Request(request.scope, partial(self._received, request.receive, caller.key))
        call = Call(request, self._services, caller, match.params)
        if route.is_timed:
            response = await within(self._services.request_s, _handled(route, call))
        else:
            response = await route.handler(call)
        if isinstance(response, Streamed | Upgraded):
            response.until(partial(self._lapse, caller))
        return response

    def _authenticate(
        self, request: Request, route: Guarded | None, params: Mapping[str, str]
    ) -> Caller:
        """A bearer token; without any, a stream ticket where one is taken. Raises 401."""
        ticket = _ticket(request, route, params)
        clear = _bearer(request)
        key = token_hash(clear) if clear else self._services.tickets.key(*ticket)
        try:
            token = self._valid(key) if key else None
        except HostError as error:
            raise Unread(error.message) from error
        if key is None or token is None:
            raise problems.unauthenticated()
        if clear:
            self._services.store.touch_token(token)
        return Caller(token, key, by_ticket=not clear)

    def _valid(self, key: str) -> Token | None:
        """The token of this hash, while it opens anything."""
        token = self._services.store.token(key)
        if (
            token is None
            or token.revoked_at is not None
            or has_expired(token.expire_at, self._services.clock.wall())
            or token.user.status != "active"
        ):
            return None
        return token

    async def _received(self, receive: Receive, key: str) -> Message:
        """A piece of the body. Raises 401 at its end where the token has ended meanwhile: a client
        may take its time over it."""
        message = await receive()
        is_end = message["type"] == "http.request" and not message.get("more_body", False)
        if is_end and self._valid(key) is None:
            raise problems.unauthenticated()
        return message

    async def _lapse(self, caller: Caller) -> None:
        """Waits until the caller's token opens nothing any more."""
        services = self._services
        while (token := self._valid(caller.key)) is not None:
            left_s = seconds_left(token.expire_at, services.clock.wall())
            await services.streams.doubted(token.user.id, left_s)


async def _handled(route: Guarded, call: Call) -> Response:
    return await route.handler(call)


def _bearer(request: Request) -> str | None:
    """The token of exactly one Authorization header."""
    given = request.headers.getlist("authorization")
    if len(given) != 1:
        return None
    scheme, _, value = given[0].partition(" ")
    clear = value.strip(" \t")
    return clear if scheme.lower() == "bearer" and is_shaped(clear) else None


def _ticket(request: Request, route: Guarded | None, params: Mapping[str, str]) -> tuple[str, str]:
    """The ticket and what it would have to be for; nothing where a bearer was given, valid or not.

    A proxy in front may ask for credentials of another scheme; those are not ours.
    """
    given = request.headers.getlist("authorization")
    tickets = request.query_params.getlist("ticket")
    if route is None or not route.ticket or len(tickets) != 1:
        return "", ""
    if any(value.partition(" ")[0].lower() == "bearer" for value in given):
        return "", ""
    return tickets[0], f"{route.ticket}:{params['id']}"


def _without_body(response: Response) -> Response:
    """Status and headers, Content-Length included where the answer has one."""
    bare = Response(status_code=response.status_code)
    bare.raw_headers = response.raw_headers
    return bare
