"""Lets the browsers of listed origins use the API."""

from __future__ import annotations

import logging
import re
from typing import TYPE_CHECKING

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import Response

if TYPE_CHECKING:
    from collections.abc import Sequence

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

_METHODS = "GET, POST, PUT, DELETE, OPTIONS"
_HEADERS = "authorization, content-type, accept"
_SENDABLE = re.compile(r"[\x21-\x7e]+")
_log = logging.getLogger("ring.api")


class Cors:
    """Wraps the gate: a preflight is answered here, every other answer gets its headers."""

    def __init__(self, app: ASGIApp, origins: Sequence[str]) -> None:
        self._app = app
        self._origins = frozenset(filter(_is_sendable, origins))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        granted = self._granted(headers.get("origin"))
        if scope["method"] == "OPTIONS" and "access-control-request-method" in headers:
            await _preflight(granted)(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                _mark(MutableHeaders(scope=message), granted)
            await send(message)

        await self._app(scope, receive, send_with_headers)

    def _granted(self, origin: str | None) -> str | None:
        if origin is None:
            return None
        if "*" in self._origins:
            return "*"
        return origin if origin in self._origins else None


def _preflight(granted: str | None) -> Response:
    response = Response(status_code=204)
    _mark(response.headers, granted)
    if granted:
        response.headers["Access-Control-Allow-Methods"] = _METHODS
        response.headers["Access-Control-Allow-Headers"] = _HEADERS
    return response


def _mark(headers: MutableHeaders, granted: str | None) -> None:
    headers.add_vary_header("Origin")
    if granted:
        headers["Access-Control-Allow-Origin"] = granted


def _is_sendable(origin: str) -> bool:
    if _SENDABLE.fullmatch(origin):
        return True
    _log.warning("api.cors_origins: %r cannot be sent as a header and is left out", origin)
    return False
