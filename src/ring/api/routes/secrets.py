"""Secrets: list, read, make, write anew, delete. No answer holds a value."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from starlette.responses import Response

from ring.api import bodies, fields, wire
from ring.api.problems import Problem, invalid
from ring.api.queries import optional_switch
from ring.api.routes import filters
from ring.api.routing import Doc, Guarded
from ring.core.access import Scope

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ring.api.calls import Call
    from ring.api.routing import Route
    from ring.core.violations import Violation
    from ring.store.secrets import Secret

_NAMES = fields.Naming(
    least=2,
    most=253,
    pattern=re.compile("[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?"),
    words="must be letters, digits, '-', '_' and '.', with a letter or digit first and last",
)


async def list_secrets(call: Call) -> Response:
    """By namespace and name."""
    rows = call.services.store.secrets.listed(filters.wanted(call))
    return await wire.answer_list(rows, wire.secret)


async def read_secret(call: Call) -> Response:
    return wire.answer(wire.secret(_existing(call)))


async def create_secret(call: Call) -> Response:
    """The namespace is not made: whoever keeps a secret there has to mean it."""
    body = wire.parse(await bodies.read(call.request), wire.SecretBody)
    violations = list(_violations(body))
    if violations:
        raise invalid(violations)
    call.caller.enter(body.namespace)
    row = await call.services.store.secrets.create(
        body.namespace, body.name, body.value, call.caller.author(body.namespace)
    )
    return wire.answer(wire.new_secret(row), status=201)


async def replace_secret(call: Call) -> Response:
    """What runs keeps the old value until it is made anew."""
    row = _existing(call)
    body = wire.parse(await bodies.read(call.request), wire.SecretValueBody)
    violations = list(fields.sized("value", body.value, "secret.value"))
    if violations:
        raise invalid(violations)
    author = call.caller.author(row.namespace)
    row = await call.services.store.secrets.replace(row.id, body.value, author)
    return wire.answer(wire.secret(row))


async def delete_secret(call: Call) -> Response:
    """`force=false` keeps one that is referenced; without `force` it goes, with a warning."""
    force = optional_switch(call.request, "force")
    row = _existing(call)
    holders = await call.services.store.secrets.delete(
        row.id, call.caller.author(row.namespace), even_if_referenced=force is not False
    )
    if holders and force is None:
        return wire.answer(wire.deleted_secret(holders))
    return Response(status_code=204)


def _existing(call: Call) -> Secret:
    """The row that the path names, inside the caller's boundary. Raises 404 and 403."""
    row = call.services.store.secrets.secret(call.params["id"])
    if row is None:
        raise Problem(404, "Secret not found")
    call.caller.enter(row.namespace)
    return row


def _violations(body: wire.SecretBody) -> Iterator[Violation]:
    yield from fields.called("namespace", body.namespace, "secret.namespace", fields.NAMESPACES)
    yield from fields.called("name", body.name, "secret.name", _NAMES)
    yield from fields.sized("value", body.value, "secret.value")


ROUTES: tuple[Route, ...] = (
    Guarded(
        "GET",
        "/secrets",
        list_secrets,
        Doc(
            "List secrets, without their values",
            gives=wire.SecretShape,
            listed=True,
            query=("namespace",),
        ),
        Scope.SECRETS_READ,
    ),
    Guarded(
        "POST",
        "/secrets",
        create_secret,
        Doc(
            "Keep a secret in a namespace that exists",
            takes=wire.SecretBody,
            gives=wire.NewSecretShape,
            statuses=(201,),
            refusals=(404,),
        ),
        Scope.SECRETS_WRITE,
    ),
    Guarded(
        "GET",
        "/secrets/{id}",
        read_secret,
        Doc("Read a secret, without its value", gives=wire.SecretShape),
        Scope.SECRETS_READ,
    ),
    Guarded(
        "PUT",
        "/secrets/{id}",
        replace_secret,
        Doc(
            "Give a secret another value; what runs keeps the old one",
            takes=wire.SecretValueBody,
            gives=wire.SecretShape,
        ),
        Scope.SECRETS_WRITE,
    ),
    Guarded(
        "DELETE",
        "/secrets/{id}",
        delete_secret,
        Doc(
            "Delete a secret; a referenced one stays with `force=false`, and warns without `force`",
            gives=wire.DeletedSecretShape,
            statuses=(204, 200),
            query=("force",),
            refusals=(409,),
        ),
        Scope.SECRETS_WRITE,
    ),
)
