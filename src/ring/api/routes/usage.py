"""What the instances of a deployment take."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ring.api import wire
from ring.api.routes.deployments import existing
from ring.api.routing import Doc, Guarded
from ring.core.access import Scope

if TYPE_CHECKING:
    from starlette.responses import Response

    from ring.api.calls import Call
    from ring.api.routing import Route


async def read_usage(call: Call) -> Response:
    """Measured now, of the instances that run."""
    row = existing(call)
    return wire.answer(wire.usage(row, await call.services.engine.statistics.live(row)))


ROUTES: tuple[Route, ...] = (
    Guarded(
        "GET",
        "/deployments/{id}/metrics",
        read_usage,
        Doc("What the running instances of a deployment take", gives=wire.UsageShape),
        Scope.DEPLOYMENTS_READ,
    ),
)
