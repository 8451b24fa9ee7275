"""The API as one ASGI application."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ring.api.calls import Services
from ring.api.cors import Cors
from ring.api.gate import Gate
from ring.api.logins import Logins
from ring.api.metrics import Metrics
from ring.api.reached import Reached
from ring.api.table import ROUTES
from ring.api.tickets import Tickets
from ring.api.tracing import Traced

if TYPE_CHECKING:
    from collections.abc import Sequence

    from starlette.types import ASGIApp, Receive, Scope, Send

    from ring.api.ports import Engine, Tracing
    from ring.clock import Clock
    from ring.store.store import Store


class Api:
    """An ASGI application that can be told to end its open streams."""

    def __init__(
        self,
        services: Services,
        *,
        cors_origins: Sequence[str] = (),
        tracing: Tracing | None = None,
    ) -> None:
        gate = Gate(ROUTES, services)
        self._services = services
        self._app: ASGIApp = Cors(gate, cors_origins) if cors_origins else gate
        if tracing is not None:
            self._app = Traced(self._app, ROUTES, tracing)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._app(scope, receive, send)

    def end_streams(self) -> None:
        """At once, and every later one too; other requests go on."""
        self._services.streams.close()

    def close(self) -> None:
        """After the last request."""
        self.end_streams()
        self._services.logins.close()
        self._services.checks.close()


def build_app(
    store: Store,
    engine: Engine,
    *,
    clock: Clock,
    cors_origins: Sequence[str] = (),
    tracing: Tracing | None = None,
) -> Api:
    """tracing: is told of every request."""
    services = Services(
        store,
        engine,
        clock,
        Logins(store, clock),
        Metrics(store, engine, clock),
        Tickets(clock),
        Reached(store.audit, clock),
    )
    store.listen_ended(services.streams.doubt)
    return Api(services, cors_origins=cors_origins, tracing=tracing)
