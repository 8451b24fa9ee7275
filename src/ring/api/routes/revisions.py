"""How a deployment came to be what it is: its revisions, and why it stands where it stands."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.responses import Response

from ring.api import wire
from ring.api.problems import Problem
from ring.api.routes.deployments import existing
from ring.api.routing import Doc, Guarded
from ring.core.access import Scope
from ring.store.revisions import read

if TYPE_CHECKING:
    from ring.api.calls import Call
    from ring.api.routing import Route

_LARGE_BYTES = 64 * 1024
"""Of specs that are compared beside the loop: about 5 ms."""


async def list_revisions(call: Call) -> Response:
    """Newest first, each with what it changed."""
    row = existing(call)
    stored = call.services.store.revisions.stored(row.key)
    rows = call.services.store.rows(row.key)
    current = next((other.revision for other in reversed(rows) if not other.is_deleted), None)

    def text() -> bytes:
        return wire.encoded(wire.revisions(read(stored), current))

    is_large = sum(len(each["spec"]) for each in stored) > _LARGE_BYTES
    content = await call.services.checks.beside(text) if is_large else text()
    return Response(content, headers=wire.JSON)


async def explain(call: Call) -> Response:
    """Of the whole group, from memory."""
    row = existing(call)
    explained = call.services.engine.explain(row.key)
    if explained is None:
        raise Problem(404, "Deployment not found")
    return wire.answer(wire.why(row, explained))


ROUTES: tuple[Route, ...] = (
    Guarded(
        "GET",
        "/deployments/{id}/revisions",
        list_revisions,
        Doc(
            "What a deployment was asked to be, newest first, with what each revision changed",
            gives=wire.RevisionShape,
            listed=True,
        ),
        Scope.DEPLOYMENTS_READ,
    ),
    Guarded(
        "GET",
        "/deployments/{id}/why",
        explain,
        Doc("Where a deployment stands, and what it waits for", gives=wire.WhyShape),
        Scope.DEPLOYMENTS_READ,
    ),
)
