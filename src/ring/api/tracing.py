"""A span for every request, around everything else: also what is refused has one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ring.api.routing import Router

if TYPE_CHECKING:
    from collections.abc import Iterable

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from ring.api.ports import Tracing
    from ring.api.routing import Route

_CONTEXT = frozenset({b"traceparent", b"tracestate"})


class Traced:
    """An ASGI application around another. Tells the path and never the query, which may carry a
    credential."""

    def __init__(self, app: ASGIApp, routes: Iterable[Route], tracing: Tracing) -> None:
        self._app = app
        self._router = Router(routes)
        self._tracing = tracing

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        path = scope["path"]
        match = self._router.find(path)
        span = self._tracing.begin(
            scope["method"],
            None if match is None else "/".join(match.resource.segments),
            path,
            {
                name.decode("latin-1"): value.decode("latin-1")
                for name, value in scope["headers"]
                if name in _CONTEXT
            },
        )
        status: int | None = None

        async def noted(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, noted)
        finally:
            span.end(status)
