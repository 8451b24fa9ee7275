"""What came of a deployment's health checks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ring.api import wire
from ring.api.queries import number, switch
from ring.api.routes.deployments import existing
from ring.api.routing import Doc, Guarded
from ring.core.access import Scope

if TYPE_CHECKING:
    from starlette.responses import Response

    from ring.api.calls import Call
    from ring.api.routing import Route

_DEFAULT = 100
_CAP = 1000


async def list_health_checks(call: Call) -> Response:
    """The last begun first; with `latest=true` the last one of each type, whatever `limit` is."""
    row = existing(call)
    stored = call.services.store.health_checks
    if switch(call.request, "latest"):
        found = stored.latest(row.id)
    else:
        limit = number(call.request, "limit", default=_DEFAULT, cap=_CAP)
        found = stored.newest(row.id, limit)
    return await wire.answer_list(found, wire.health_check)


ROUTES: tuple[Route, ...] = (
    Guarded(
        "GET",
        "/deployments/{id}/health-checks",
        list_health_checks,
        Doc(
            "Results of a deployment's health checks",
            gives=wire.HealthCheckShape,
            listed=True,
            query=("limit", "latest"),
        ),
        Scope.DEPLOYMENTS_READ,
    ),
)
