"""Namespaces: list, read, make, set the network of, delete, and what was done in one."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

from starlette.responses import Response

from ring.api import bodies, fields, wire
from ring.api.problems import Problem, invalid
from ring.api.queries import number
from ring.api.routes.audit import CAP, DEFAULT
from ring.api.routing import Doc, Guarded
from ring.core import namespace_network
from ring.core.access import Scope
from ring.core.bounds import MOST_VIOLATIONS
from ring.core.namespace_network import UNSET, NamespaceNetwork

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ring.api.calls import Call
    from ring.api.routing import Route
    from ring.core.violations import Violation
    from ring.store.records import Namespace


async def list_namespaces(call: Call) -> Response:
    rows = call.services.store.namespaces()
    return await wire.answer_list(
        (row for row in rows if call.caller.sees(row.name)), wire.namespace
    )


async def read_namespace(call: Call) -> Response:
    """By id or by name."""
    wanted = call.params["id"]
    row = call.services.store.namespace(wanted)
    if row is None:
        raise Problem(404, f"namespace '{wanted}' not found")
    call.caller.enter(row.name)
    return wire.answer(wire.namespace(row))


async def create_namespace(call: Call) -> Response:
    body = wire.parse(await bodies.read(call.request), wire.NamespaceBody)
    violations = list(_violations(body))
    if violations:
        raise invalid(violations)
    call.caller.enter(body.name)
    author = call.caller.author(body.name)
    network = UNSET if body.network is None else _network(body.network)
    row = await call.services.store.create_namespace(body.name, author, network)
    return wire.answer(wire.namespace(row), status=201)


async def set_network(call: Call) -> Response:
    """All settings at once: what is left out is unset. By name or by id."""
    body = wire.parse(await bodies.read(call.request), wire.NamespaceNetworkBody)
    if violations := list(_of_network(body, "")):
        raise invalid(violations)
    row = _to_change(call)
    author = call.caller.author(row.name)
    row = await call.services.store.set_namespace_network(row, _network(body), author)
    return wire.answer(wire.namespace(row))


async def delete_namespace(call: Call) -> Response:
    """By name or by id, and only an empty one."""
    row = _to_change(call)
    await call.services.store.delete_namespace(row, call.caller.author(row.name))
    return Response(status_code=204)


async def list_audit(call: Call) -> Response:
    """By name, whether or not there is such a namespace any more: its trail may outlive it."""
    name = call.params["id"]
    call.caller.enter(name)
    limit = number(call.request, "limit", default=DEFAULT, cap=CAP)
    found = call.services.store.audit.newest(namespace=name, limit=limit)
    return await wire.answer_list(found, wire.audit)


def _to_change(call: Call) -> Namespace:
    """What the path names, inside the caller's boundary. Raises 404 and 403."""
    wanted = call.params["id"]
    row = call.services.store.namespace_to_change(wanted)
    if row is None:
        raise Problem(404, f"namespace '{wanted}' not found")
    call.caller.enter(row.name)
    return row


def _violations(body: wire.NamespaceBody) -> Iterator[Violation]:
    yield from fields.called("name", body.name, "namespace.name", fields.NAMESPACES)
    if body.network is not None:
        yield from _of_network(body.network, "network.")


def _of_network(body: wire.NamespaceNetworkBody, path: str) -> Iterator[Violation]:
    return islice(namespace_network.violations(body.settings(), path), MOST_VIOLATIONS)


def _network(body: wire.NamespaceNetworkBody) -> NamespaceNetwork:
    return namespace_network.read(body.settings())


ROUTES: tuple[Route, ...] = (
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
        "PUT",
        "/namespaces/{id}/network",
        set_network,
        Doc(
            "Set the network settings of a namespace, by name or id",
            takes=wire.NamespaceNetworkBody,
            gives=wire.NamespaceShape,
        ),
        Scope.NAMESPACES_WRITE,
    ),
    Guarded(
        "DELETE",
        "/namespaces/{id}",
        delete_namespace,
        Doc("Delete an empty namespace, by name or id", statuses=(204,), refusals=(409,)),
        Scope.NAMESPACES_WRITE,
    ),
    Guarded(
        "GET",
        "/namespaces/{id}/audit",
        list_audit,
        Doc(
            "Who did what in a namespace, by its name, newest first",
            gives=wire.AuditShape,
            listed=True,
            query=("limit",),
        ),
        Scope.NAMESPACES_READ,
    ),
)
