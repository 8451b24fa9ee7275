"""Tickets with which a browser follows the logs or the events of one deployment."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ring.api import bodies, wire
from ring.api.problems import Problem
from ring.api.routing import Doc, Guarded
from ring.api.tickets import TTL_S
from ring.core.access import Scope
from ring.core.model.ids import DeploymentId

if TYPE_CHECKING:
    from starlette.responses import Response

    from ring.api.calls import Call
    from ring.api.routing import Route

_KINDS = ("deployment:logs", "deployment:events")
_MOST_CHARS = 512


async def create_ticket(call: Call) -> Response:
    """For an admin whether or not there is such a deployment; for other sessions only if there is.
    Whoever is bound to namespaces gets none for a deployment outside of them."""
    body = wire.parse(await bodies.read(call.request), wire.TicketBody)
    if not body.scope.strip():
        raise Problem(400, "scope must name what the ticket is for")
    if len(body.scope) > _MOST_CHARS:
        raise Problem(400, f"scope is longer than {_MOST_CHARS} characters")
    _expect_reachable(call, body.scope)
    ticket = call.services.tickets.mint(
        body.scope, key=call.caller.key, user_id=call.caller.token.user.id
    )
    shape: wire.TicketShape = {"ticket": ticket, "expires_in": TTL_S}
    return wire.answer(shape)


def _expect_reachable(call: Call, scope: str) -> None:
    kind, _, deployment_id = scope.rpartition(":")
    row = call.services.store.deployment(DeploymentId(deployment_id)) if kind in _KINDS else None
    if row is not None:
        call.caller.enter(row.spec.namespace)
    elif not call.caller.may(Scope.ADMIN):
        raise Problem(404, "Deployment not found")


ROUTES: tuple[Route, ...] = (
    Guarded(
        "POST",
        "/auth/stream-ticket",
        create_ticket,
        Doc(
            "Make a ticket for one stream; a session with `deployments:read` may, too",
            takes=wire.TicketBody,
            gives=wire.TicketShape,
            refusals=(404,),
        ),
        Scope.ADMIN,
        session_scope=Scope.DEPLOYMENTS_READ,
    ),
)
