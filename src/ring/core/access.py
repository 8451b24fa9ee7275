"""Who may do what: the closed set of scopes, what a role is given, the namespace boundary,
and when a token has run out."""

from __future__ import annotations

import math
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING

from ring.core.errors import RingError

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping


class Scope(StrEnum):
    """What a token may be granted. Writing does not imply reading."""

    DEPLOYMENTS_READ = "deployments:read"
    DEPLOYMENTS_WRITE = "deployments:write"
    DEPLOYMENTS_EXEC = "deployments:exec"
    """To run commands inside instances: never implied, and never a viewer's."""
    DEPLOYMENTS_FORWARD = "deployments:forward"
    """To reach ports of instances that are not published: the same."""
    SECRETS_READ = "secrets:read"
    SECRETS_WRITE = "secrets:write"
    CONFIGS_READ = "configs:read"
    CONFIGS_WRITE = "configs:write"
    NAMESPACES_READ = "namespaces:read"
    NAMESPACES_WRITE = "namespaces:write"
    VOLUMES_READ = "volumes:read"
    VOLUMES_WRITE = "volumes:write"
    USERS_READ = "users:read"
    USERS_WRITE = "users:write"
    WEBHOOKS_READ = "webhooks:read"
    WEBHOOKS_WRITE = "webhooks:write"
    ADMIN = "admin"


_READS = frozenset(scope for scope in Scope if scope.endswith(":read"))
_WRITES = frozenset(scope for scope in Scope if scope.endswith(":write"))
_ENTRIES = frozenset({Scope.DEPLOYMENTS_EXEC, Scope.DEPLOYMENTS_FORWARD})

ROLES: Mapping[str, frozenset[Scope]] = {
    "admin": frozenset({Scope.ADMIN}),
    "operator": (_READS | _WRITES | _ENTRIES) - {Scope.USERS_WRITE},
    "viewer": _READS,
}


class UnknownRole(RingError):
    """The role is none of admin, operator, viewer."""


def session_scopes(role: str) -> frozenset[Scope]:
    """What a login session of this role is granted. Raises UnknownRole."""
    try:
        return ROLES[role]
    except KeyError:
        raise UnknownRole(f"unknown role '{role}'") from None


def allows(held: Collection[str], required: Scope) -> bool:
    """`admin` satisfies everything; nothing else implies anything."""
    return required in held or Scope.ADMIN in held


def reaches(namespaces: Collection[str], namespace: str) -> bool:
    """An empty list is no boundary; any other binds even `admin`."""
    return not namespaces or namespace in namespaces


def has_expired(expire_at: str | None, now: datetime) -> bool:
    """An expiry that cannot be read, or has no offset, counts as passed."""
    return seconds_left(expire_at, now) <= 0


def seconds_left(expire_at: str | None, now: datetime) -> float:
    """Until it has expired; infinity where it does not, 0 where it has."""
    if expire_at is None:
        return math.inf
    try:
        moment = datetime.fromisoformat(expire_at)
    except ValueError:
        return 0.0
    return 0.0 if moment.tzinfo is None else max(0.0, (moment - now).total_seconds())
