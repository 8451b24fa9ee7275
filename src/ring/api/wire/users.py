"""Users on the wire; a password comes in and never goes out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field
from typing_extensions import TypedDict

from ring.api.wire.base import Body, moment
from ring.clock import rfc3339

if TYPE_CHECKING:
    from ring.store.store import User


class UserBody(Body):
    username: str
    password: str = Field(repr=False)
    role: str | None = None


class UserChangeBody(Body):
    """What is absent or null stays."""

    username: str | None = None
    password: str | None = Field(default=None, repr=False)
    role: str | None = None
    status: str | None = None


class AccountShape(TypedDict):
    id: str
    username: str
    created_at: str
    updated_at: str | None
    status: str
    login_at: str | None
    role: str


def user(row: User) -> AccountShape:
    return {
        "id": row.id,
        "username": row.username,
        "created_at": rfc3339(row.created_at),
        "updated_at": moment(row.updated_at),
        "status": row.status,
        "login_at": moment(row.login_at),
        "role": row.role,
    }
