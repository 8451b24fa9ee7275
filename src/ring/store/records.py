"""What the store hands out besides deployments: namespaces, accounts, tokens, who asks."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, Protocol

from ring.core.namespace_network import UNSET

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from ring.core.model.deployment import Deployment
    from ring.core.namespace_network import NamespaceNetwork


@dataclass(frozen=True, slots=True)
class Namespace:
    id: str
    name: str
    created_at: datetime
    updated_at: datetime | None
    network: NamespaceNetwork = UNSET


@dataclass(frozen=True, slots=True)
class User:
    id: str
    username: str
    password: str = field(repr=False)
    """Argon2 encoded."""
    role: str
    status: str
    created_at: datetime
    updated_at: datetime | None
    login_at: datetime | None


@dataclass(frozen=True, slots=True)
class Token:
    id: str
    user: User
    name: str
    kind: Literal["session", "pat"]
    scopes: frozenset[str]
    namespaces: tuple[str, ...]
    """Empty: all."""
    expire_at: str | None
    revoked_at: datetime | None
    last_used_at: datetime | None


class Minted(Protocol):
    """What is kept of a new token."""

    @property
    def hash(self) -> str: ...

    @property
    def prefix(self) -> str: ...


@dataclass(frozen=True, slots=True)
class Pat:
    """A token that a user has made, as its maker sees it: without its value."""

    id: str
    name: str
    prefix: str
    scopes: tuple[str, ...]
    namespaces: tuple[str, ...]
    """Empty: all."""
    created_at: datetime
    expire_at: str | None
    last_used_at: datetime | None
    revoked_at: datetime | None


@dataclass(frozen=True, slots=True)
class AuditEntry:
    seq: int
    """Later ones have larger ones."""
    id: str
    timestamp: datetime
    user_id: str | None
    action: str
    target_type: str
    target_name: str
    namespace: str | None


@dataclass(frozen=True, slots=True)
class Author:
    """Who asks, and whether a missing namespace may be made for them."""

    user_id: str | None
    """None: the engine."""
    may_create_namespace: bool


@dataclass(frozen=True, slots=True)
class Accepted:
    deployment: Deployment
    change: Literal["created", "unchanged", "scaled", "switched"]
    scaled_from: int | None = None
    scaled_to: int | None = None


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which objects a list is asked for; None asks for nothing in particular."""

    namespaces: frozenset[str] | None = None
    names: frozenset[str] | None = None

    def values(self) -> Mapping[str, str | None]:
        """For statements that filter by `json_each(:namespaces)` and `json_each(:names)`."""
        return {"namespaces": _listed(self.namespaces), "names": _listed(self.names)}


def _listed(words: frozenset[str] | None) -> str | None:
    return None if words is None else json.dumps(sorted(words))
