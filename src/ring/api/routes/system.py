"""What the server says of itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.responses import Response

from ring.api import wire
from ring.api.routing import Doc, Guarded, Public
from ring.core.access import Scope

if TYPE_CHECKING:
    from starlette.requests import Request

    from ring.api.calls import Call, Services
    from ring.api.routing import Route

_EXPOSITION = "text/plain; version=0.0.4; charset=utf-8"


async def health(request: Request, services: Services) -> Response:
    """The server answers; says nothing about engines."""
    shape: wire.HealthShape = {"state": "UP"}
    return wire.answer(shape)


async def metrics(request: Request, services: Services) -> Response:
    """For Prometheus, or as JSON for who asks for that."""
    if _wants_json(request):
        content = await services.metrics.page("json")
        return Response(content, headers={"Content-Type": "application/json; charset=utf-8"})
    content = await services.metrics.page("text")
    return Response(content, headers={"Content-Type": _EXPOSITION})


def _wants_json(request: Request) -> bool:
    """Any media type that is listed, whatever its parameters."""
    listed = ",".join(request.headers.getlist("accept")).split(",")
    return any(one.partition(";")[0].strip().lower() == "application/json" for one in listed)


async def read_node(call: Call) -> Response:
    """The machine that Ring runs on, now."""
    return wire.answer(wire.node(call.services.engine.statistics.node()))


ROUTES: tuple[Route, ...] = (
    Public("GET", "/healthz", health, Doc("Whether the server answers", gives=wire.HealthShape)),
    Public(
        "GET",
        "/metrics",
        metrics,
        Doc("Metrics for Prometheus; as JSON by `Accept`", texts=("text/plain",)),
    ),
    Guarded(
        "GET",
        "/node/get",
        read_node,
        Doc("The machine that Ring runs on", gives=wire.NodeShape),
        Scope.DEPLOYMENTS_READ,
    ),
)
