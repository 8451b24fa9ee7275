"""Secrets on the wire: values come in, and never go out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field
from typing_extensions import TypedDict

from ring.api.wire.base import Body, moment
from ring.clock import rfc3339

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ring.store.secrets import Secret


class SecretBody(Body):
    namespace: str
    name: str
    value: str = Field(repr=False)


class SecretValueBody(Body):
    value: str = Field(repr=False)


class SecretShape(TypedDict):
    id: str
    created_at: str
    updated_at: str | None
    namespace: str
    name: str


class NewSecretShape(TypedDict):
    id: str
    created_at: str
    namespace: str
    name: str


class DeletedSecretShape(TypedDict):
    deleted: bool
    warning: str
    deployments: list[str]


def secret(row: Secret) -> SecretShape:
    return {
        "id": row.id,
        "created_at": rfc3339(row.created_at),
        "updated_at": moment(row.updated_at),
        "namespace": row.namespace,
        "name": row.name,
    }


def new_secret(row: Secret) -> NewSecretShape:
    return {
        "id": row.id,
        "created_at": rfc3339(row.created_at),
        "namespace": row.namespace,
        "name": row.name,
    }


def deleted_secret(holders: Sequence[str]) -> DeletedSecretShape:
    """With the deployments that still refer to it."""
    return {
        "deleted": True,
        "warning": "deployments refer to this secret: what runs keeps its value, and no further "
        "instance of theirs starts until there is a secret of this name again",
        "deployments": list(holders),
    }
