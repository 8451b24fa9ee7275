"""Tokens and stream tickets on the wire: the clear value goes out once, with its making."""

from __future__ import annotations

from typing import TYPE_CHECKING

from typing_extensions import TypedDict

from ring.api.wire.base import Body, Texts, moment
from ring.clock import rfc3339

if TYPE_CHECKING:
    from ring.security.tokens import Minted
    from ring.store.store import Pat

_ONCE = "Keep the token now: it is shown only this once."


class TokenBody(Body):
    name: str
    scopes: Texts
    namespaces: Texts | None = None
    expire_at: str | None = None


class TokenShape(TypedDict):
    id: str
    name: str
    token_prefix: str
    scopes: list[str]
    namespaces: list[str]
    created_at: str
    expire_at: str | None
    last_used_at: str | None
    revoked_at: str | None


class CreatedTokenShape(TypedDict):
    id: str
    name: str
    token: str
    token_prefix: str
    scopes: list[str]
    namespaces: list[str]
    created_at: str
    expire_at: str | None
    message: str


class TicketBody(Body):
    scope: str


class TicketShape(TypedDict):
    ticket: str
    expires_in: int


def token(row: Pat) -> TokenShape:
    return {
        "id": row.id,
        "name": row.name,
        "token_prefix": row.prefix,
        "scopes": list(row.scopes),
        "namespaces": list(row.namespaces),
        "created_at": rfc3339(row.created_at),
        "expire_at": row.expire_at,
        "last_used_at": moment(row.last_used_at),
        "revoked_at": moment(row.revoked_at),
    }


def created_token(row: Pat, minted: Minted) -> CreatedTokenShape:
    return {
        "id": row.id,
        "name": row.name,
        "token": minted.clear,
        "token_prefix": row.prefix,
        "scopes": list(row.scopes),
        "namespaces": list(row.namespaces),
        "created_at": rfc3339(row.created_at),
        "expire_at": row.expire_at,
        "message": _ONCE,
    }
