"""What the server says of itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ring.api import wire
from ring.api.routing import Doc, Public

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from ring.api.calls import Services
    from ring.api.routing import Route


async def health(request: Request, services: Services) -> Response:
    """The server answers; says nothing about engines."""
    shape: wire.HealthShape = {"state": "UP"}
    return wire.answer(shape)


ROUTES: tuple[Route, ...] = (
    Public("GET", "/healthz", health, Doc("Whether the server answers", gives=wire.HealthShape)),
)
