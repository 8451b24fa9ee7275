"""Every route with its method, handler and scope: what is not here does not exist.

Each module of `routes` declares its own; here they are summed up.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from starlette.responses import Response

from ring.api import openapi, wire
from ring.api.routes import (
    audit,
    commands,
    configs,
    deployments,
    events,
    forwards,
    health_checks,
    images,
    logs,
    namespaces,
    orphans,
    revisions,
    secrets,
    sessions,
    system,
    tickets,
    tokens,
    usage,
    users,
    verbs,
    volumes,
    webhooks,
)
from ring.api.routing import Doc, Guarded, Route

if TYPE_CHECKING:
    from ring.api.calls import Call


async def describe(call: Call) -> Response:
    """Made once, beside the loop: it takes a tenth of a second."""
    content = await call.services.checks.beside(_description)
    return Response(content, headers=wire.JSON)


@cache
def _description() -> bytes:
    return bytes(wire.answer(openapi.document(ROUTES)).body)


ROUTES: tuple[Route, ...] = (
    *system.ROUTES,
    *sessions.ROUTES,
    Guarded("GET", "/openapi.json", describe, Doc("This description"), None),
    *users.ROUTES,
    *tokens.ROUTES,
    *tickets.ROUTES,
    *namespaces.ROUTES,
    *configs.ROUTES,
    *secrets.ROUTES,
    *volumes.ROUTES,
    *images.ROUTES,
    *orphans.ROUTES,
    *audit.ROUTES,
    *deployments.ROUTES,
    *verbs.ROUTES,
    *revisions.ROUTES,
    *events.ROUTES,
    *logs.ROUTES,
    *commands.ROUTES,
    *forwards.ROUTES,
    *health_checks.ROUTES,
    *usage.ROUTES,
    *webhooks.ROUTES,
)
