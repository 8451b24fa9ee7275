"""Tokens for programs (PATs): everybody manages their own, and nobody sees those of others."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.responses import Response

from ring.api import bodies, wire
from ring.api.problems import Problem, invalid
from ring.api.routing import Doc, Guarded
from ring.clock import rfc3339
from ring.core import accounts
from ring.core.access import Scope
from ring.security.tokens import mint
from ring.store.pats import PatDraft

if TYPE_CHECKING:
    from ring.api.calls import Call
    from ring.api.routing import Route


async def list_tokens(call: Call) -> Response:
    """Newest first, revoked and expired ones included, sessions never."""
    rows = call.services.store.pats.of(call.caller.token.user.id)
    return await wire.answer_list(rows, wire.token)


async def read_token(call: Call) -> Response:
    row = call.services.store.pats.one(call.caller.token.user.id, call.params["id"])
    if row is None:
        raise Problem(404, "token not found")
    return wire.answer(wire.token(row))


async def create_token(call: Call) -> Response:
    body = wire.parse(await bodies.read(call.request), wire.TokenBody)
    namespaces = body.namespaces or []
    violations = list(accounts.token(body.name, body.scopes, namespaces, body.expire_at))
    if violations:
        raise invalid(violations)
    draft = PatDraft(
        name=body.name,
        scopes=tuple(dict.fromkeys(body.scopes)),
        namespaces=tuple(dict.fromkeys(namespaces)),
        expire_at=_moment(body.expire_at),
    )
    minted = mint()
    row = await call.services.store.pats.create(draft, minted, call.caller.token)
    return wire.answer(wire.created_token(row, minted), status=201)


async def revoke_token(call: Call) -> Response:
    """Repeatable."""
    await call.services.store.pats.revoke(call.params["id"], call.caller.token)
    return Response(status_code=204)


async def rotate_token(call: Call) -> Response:
    """The old value ends with the commit that makes the new one."""
    minted = mint()
    row = await call.services.store.pats.rotate(call.params["id"], minted, call.caller.token)
    return wire.answer(wire.created_token(row, minted), status=201)


def _moment(text: str | None) -> str | None:
    """In the one format of every answer."""
    found = None if text is None else accounts.moment(text)
    return None if found is None else rfc3339(found)


ROUTES: tuple[Route, ...] = (
    Guarded(
        "GET",
        "/tokens",
        list_tokens,
        Doc("List your tokens, newest first", gives=wire.TokenShape, listed=True),
        Scope.ADMIN,
    ),
    Guarded(
        "POST",
        "/tokens",
        create_token,
        Doc(
            "Make a token; its value is shown once",
            takes=wire.TokenBody,
            gives=wire.CreatedTokenShape,
            statuses=(201,),
        ),
        Scope.ADMIN,
    ),
    Guarded(
        "GET",
        "/tokens/{id}",
        read_token,
        Doc("Read a token of yours", gives=wire.TokenShape),
        Scope.ADMIN,
    ),
    Guarded(
        "DELETE",
        "/tokens/{id}",
        revoke_token,
        Doc("Revoke a token of yours", statuses=(204,)),
        Scope.ADMIN,
    ),
    Guarded(
        "POST",
        "/tokens/{id}/rotate",
        rotate_token,
        Doc(
            "Revoke a token and make its like; the value is shown once",
            gives=wire.CreatedTokenShape,
            statuses=(201,),
            refusals=(409,),
        ),
        Scope.ADMIN,
    ),
)
