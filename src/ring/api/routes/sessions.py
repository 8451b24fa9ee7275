"""Login and logout."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.responses import Response

from ring.api import bodies, wire
from ring.api.deadline import REQUEST_S, within
from ring.api.logins import invalid_credentials
from ring.api.routing import Doc, Guarded, Public
from ring.core.access import session_scopes
from ring.core.errors import Conflict
from ring.security.tokens import mint

if TYPE_CHECKING:
    from starlette.requests import Request

    from ring.api.calls import Call, Services
    from ring.api.routing import Route

_LIMIT_BYTES = 64 * 1024
"""The only body that is read of somebody unknown."""


async def login(request: Request, services: Services) -> Response:
    """Opens a session with the scopes of the user's role."""
    text = await within(REQUEST_S, bodies.read(request, limit_bytes=_LIMIT_BYTES))
    body = wire.parse(text, wire.LoginBody)
    peer = request.client.host if request.client else ""
    user = await services.logins.check(body, peer)
    token = mint()
    scopes = session_scopes(user.role)
    try:
        await services.store.open_session(
            user, token_hash=token.hash, token_prefix=token.prefix, scopes=scopes
        )
    except Conflict:  # the user was deleted while the password was checked
        raise invalid_credentials() from None
    shape: wire.LoginShape = {"token": token.clear}
    return wire.answer(shape)


async def logout(call: Call) -> Response:
    """Revokes the presented token."""
    await call.services.store.revoke_token(call.caller.token)
    return Response(status_code=204)


ROUTES: tuple[Route, ...] = (
    Public(
        "POST", "/login", login, Doc("Open a session", takes=wire.LoginBody, gives=wire.LoginShape)
    ),
    Guarded("POST", "/logout", logout, Doc("Revoke the presented token", statuses=(204,)), None),
)
