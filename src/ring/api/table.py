"""Every route with its method, handler and scope: what is not here does not exist."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from starlette.responses import Response

from ring.api import openapi, wire
from ring.api.routes.deployments import (
    create_deployment,
    delete_deployment,
    list_deployments,
    read_deployment,
)
from ring.api.routes.events import list_events
from ring.api.routes.filters import KEYS
from ring.api.routes.logs import list_logs
from ring.api.routes.namespaces import create_namespace, list_namespaces, read_namespace
from ring.api.routes.sessions import login, logout
from ring.api.routes.system import health
from ring.api.routing import Doc, Guarded, Public, Route
from ring.core.access import Scope
from ring.core.model.spec import DeploymentSpec

if TYPE_CHECKING:
    from ring.api.calls import Call


async def describe(call: Call) -> Response:
    return Response(_description(), headers=wire.JSON)


@cache
def _description() -> bytes:
    """Made once: it costs far more than to send it."""
    return bytes(wire.answer(openapi.document(ROUTES)).body)


ROUTES: tuple[Route, ...] = (
    Public("GET", "/healthz", health, Doc("Whether the server answers", gives=wire.HealthShape)),
    Public(
        "POST", "/login", login, Doc("Open a session", takes=wire.LoginBody, gives=wire.LoginShape)
    ),
    Guarded("POST", "/logout", logout, Doc("Revoke the presented token", statuses=(204,)), None),
    Guarded(
        "GET",
        "/openapi.json",
        describe,
        Doc("This description"),
        None,
    ),
    Guarded(
        "GET",
        "/namespaces",
        list_namespaces,
        Doc("List namespaces by name", gives=wire.NamespaceShape, listed=True),
        Scope.NAMESPACES_READ,
    ),
    Guarded(
        "POST",
        "/namespaces",
        create_namespace,
        Doc(
            "Make a namespace", takes=wire.NamespaceBody, gives=wire.NamespaceShape, statuses=(201,)
        ),
        Scope.NAMESPACES_WRITE,
    ),
    Guarded(
        "GET",
        "/namespaces/{id}",
        read_namespace,
        Doc("Read a namespace, by id or name", gives=wire.NamespaceShape),
        Scope.NAMESPACES_READ,
    ),
    Guarded(
        "GET",
        "/deployments",
        list_deployments,
        Doc(
            "List deployments, oldest first",
            gives=wire.DeploymentShape,
            listed=True,
            query=(*KEYS, "instances"),
        ),
        Scope.DEPLOYMENTS_READ,
    ),
    Guarded(
        "POST",
        "/deployments",
        create_deployment,
        Doc(
            "Apply a deployment",
            takes=DeploymentSpec,
            gives=wire.DeploymentShape,
            statuses=(201, 200),
            query=("force", "if_changed"),
        ),
        Scope.DEPLOYMENTS_WRITE,
    ),
    Guarded(
        "GET",
        "/deployments/{id}",
        read_deployment,
        Doc("Read a deployment", gives=wire.DeploymentShape),
        Scope.DEPLOYMENTS_READ,
    ),
    Guarded(
        "DELETE",
        "/deployments/{id}",
        delete_deployment,
        Doc("Delete a deployment; its instances are taken down afterwards", statuses=(204,)),
        Scope.DEPLOYMENTS_WRITE,
    ),
    Guarded(
        "GET",
        "/deployments/{id}/events",
        list_events,
        Doc(
            "What happened to a deployment",
            gives=wire.EventShape,
            listed=True,
            query=("level", "limit", "follow"),
        ),
        Scope.DEPLOYMENTS_READ,
    ),
    Guarded(
        "GET",
        "/deployments/{id}/logs",
        list_logs,
        Doc(
            "What the instances of a deployment wrote",
            gives=wire.LogShape,
            listed=True,
            query=("tail", "since", "container", "follow"),
        ),
        Scope.DEPLOYMENTS_READ,
        is_timed=False,
    ),
)
