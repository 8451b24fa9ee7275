"""What is done with a deployment that is there: restart, scale, stop, start, roll back."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from ring.api import bodies, wire
from ring.api.routes.deployments import answer, existing
from ring.api.routing import Doc, Guarded
from ring.core.access import Scope
from ring.store.verbs import Ask

if TYPE_CHECKING:
    from starlette.responses import Response

    from ring.api.calls import Call
    from ring.api.routing import Route

B = TypeVar("B", bound=wire.ReasonBody)


async def restart(call: Call) -> Response:
    ask, _ = await _asked(call, wire.ReasonBody)
    return answer(call, await call.services.store.restart(ask), {})


async def scale(call: Call) -> Response:
    ask, body = await _asked(call, wire.ScaleBody)
    return answer(call, await call.services.store.scale(ask, body.replicas), {})


async def stop(call: Call) -> Response:
    ask, _ = await _asked(call, wire.ReasonBody)
    return answer(call, await call.services.store.stop(ask), {})


async def start(call: Call) -> Response:
    ask, _ = await _asked(call, wire.ReasonBody)
    return answer(call, await call.services.store.start(ask), {})


async def roll_back(call: Call) -> Response:
    ask, body = await _asked(call, wire.RollbackBody)
    return answer(call, await call.services.store.roll_back(ask, body.to), {})


async def _asked(call: Call, model: type[B]) -> tuple[Ask, B]:
    """Raises 404 and 403, and then what is wrong with the body."""
    row = existing(call)
    body = wire.parse(await bodies.read(call.request), model)
    caller = call.caller
    ask = Ask(
        row.id,
        caller.author(row.spec.namespace),
        caller.token.user.username,
        body.reason or None,
        call.services.engine.capabilities(),
    )
    return ask, body


ROUTES: tuple[Route, ...] = (
    Guarded(
        "POST",
        "/deployments/{id}/restart",
        restart,
        Doc(
            "Make a new row of the same spec, rolled where it can be",
            takes=wire.ReasonBody,
            gives=wire.DeploymentShape,
            statuses=(201,),
        ),
        Scope.DEPLOYMENTS_WRITE,
    ),
    Guarded(
        "POST",
        "/deployments/{id}/scale",
        scale,
        Doc(
            "Change the number of instances; a row that is not healthy is made anew",
            takes=wire.ScaleBody,
            gives=wire.DeploymentShape,
            statuses=(200, 201),
        ),
        Scope.DEPLOYMENTS_WRITE,
    ),
    Guarded(
        "POST",
        "/deployments/{id}/stop",
        stop,
        Doc(
            "Run nothing of a deployment until it is started or applied again",
            takes=wire.ReasonBody,
            gives=wire.DeploymentShape,
        ),
        Scope.DEPLOYMENTS_WRITE,
    ),
    Guarded(
        "POST",
        "/deployments/{id}/start",
        start,
        Doc(
            "Run again what was stopped",
            takes=wire.ReasonBody,
            gives=wire.DeploymentShape,
        ),
        Scope.DEPLOYMENTS_WRITE,
    ),
    Guarded(
        "POST",
        "/deployments/{id}/rollback",
        roll_back,
        Doc(
            "Go back to an earlier revision, or give up a rolling update",
            takes=wire.RollbackBody,
            gives=wire.DeploymentShape,
            statuses=(201, 200),
        ),
        Scope.DEPLOYMENTS_WRITE,
    ),
)
