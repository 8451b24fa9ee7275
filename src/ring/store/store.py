"""The only door to the database: what is durable, and the mirror of it in memory.

Reads of active rows, ledger and last events come from the mirror and cost nothing; it is changed
only by the commit that wrote it, on the loop's thread, in commit order. Everything else is read on
a read-only connection. Every write is one transaction, run whole on the one writer.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime
    from pathlib import Path

    from ring.clock import Clock
    from ring.core.model.deployment import Deployment
    from ring.core.model.events import Event, EventDraft, Level
    from ring.core.model.ids import DeploymentId, GroupKey, InstanceName
    from ring.core.model.ledger import Entry
    from ring.core.model.spec import DeploymentSpec
    from ring.core.plan.view import Plan


@dataclass(frozen=True, slots=True)
class Namespace:
    id: str
    name: str
    created_at: datetime
    updated_at: datetime | None


@dataclass(frozen=True, slots=True)
class User:
    id: str
    username: str
    password: str
    """Argon2 encoded."""
    role: str
    status: str


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


@dataclass(frozen=True, slots=True)
class Author:
    """Who asks, and whether a missing namespace may be made for them."""

    user_id: str
    may_create_namespace: bool


@dataclass(frozen=True, slots=True)
class Accepted:
    deployment: Deployment
    change: Literal["created", "unchanged", "scaled"]
    scaled_from: int | None = None


class Store:
    """Opened once by a server that holds the lock."""

    server_id: str

    @classmethod
    def open(cls, path: Path | None, clock: Clock, *, inline: bool = False) -> Store:
        """Opens, creates and migrates. None: in memory. inline: writes run on the caller's thread
        (simulation). Raises HostError naming the path and the reason."""
        raise NotImplementedError

    async def close(self) -> None:
        """Finishes queued writes."""
        raise NotImplementedError

    # the mirror: loop thread only, no await
    def groups(self) -> Iterable[GroupKey]:
        """Groups with at least one row that is not purged."""
        raise NotImplementedError

    def rows(self, key: GroupKey) -> tuple[Deployment, ...]:
        """Rows of a group, deleted ones included, oldest first."""
        raise NotImplementedError

    def deployment(self, deployment_id: DeploymentId) -> Deployment | None:
        raise NotImplementedError

    def deployments(self) -> tuple[Deployment, ...]:
        """All rows until purged, in creation order."""
        raise NotImplementedError

    def ledger(self, key: GroupKey) -> Mapping[InstanceName, Entry]:
        raise NotImplementedError

    def is_tombstone(self, deployment_id: DeploymentId) -> bool:
        """Purged in the last 7 days."""
        raise NotImplementedError

    # writes
    async def commit(self, plan: Plan) -> bool:
        """A plan's rows, ledger, events and purges in one transaction.

        False, with nothing written, if a row it starts from was changed or purged meanwhile
        (Deployment.version). Equal events within 300 s are left out (reconciler.md 11.3).
        """
        raise NotImplementedError

    async def accept(
        self,
        spec: DeploymentSpec,
        author: Author,
        *,
        force: bool = False,
        if_changed: bool = False,
        image_moved: bool = False,
        unknown_fields: Sequence[str] = (),
    ) -> Accepted:
        """Decides (core.plan.decisions) and writes, in one transaction: namespace, rows, events,
        audit. Raises Denied (namespace missing and not the author's to make), Conflict."""
        raise NotImplementedError

    async def delete(self, deployment_id: DeploymentId, author: Author) -> Deployment | None:
        """Marks `deleted`; the row as it is afterwards, None if there is none. Idempotent."""
        raise NotImplementedError

    async def record(self, events: Sequence[EventDraft]) -> None:
        """Events alone; those of rows that are gone are dropped, equal ones coalesced."""
        raise NotImplementedError

    # reads
    def events(
        self, deployment_id: DeploymentId, *, level: Level | None, limit: int
    ) -> tuple[Event, ...]:
        """Newest first."""
        raise NotImplementedError

    def namespaces(self) -> tuple[Namespace, ...]:
        """By name."""
        raise NotImplementedError

    def namespace(self, id_or_name: str) -> Namespace | None:
        raise NotImplementedError

    async def create_namespace(self, name: str, author: Author) -> Namespace:
        """With its audit entry. Raises Conflict: `namespace '<n>' already exists`."""
        raise NotImplementedError

    # accounts
    def user_named(self, username: str) -> User | None:
        raise NotImplementedError

    async def seed_admin(self, password_hash: str) -> bool:
        """Makes the user `admin` where there is no user at all. True: made."""
        raise NotImplementedError

    async def open_session(
        self, user: User, *, token_hash: str, token_prefix: str, scopes: Iterable[str]
    ) -> None:
        """A session token row, `login_at`, and the audit entry."""
        raise NotImplementedError

    def token(self, token_hash: str) -> Token | None:
        """With its user; damaged scopes or namespaces make it None (fail closed)."""
        raise NotImplementedError

    async def revoke_token(self, token: Token) -> None:
        raise NotImplementedError

    def touch_token(self, token: Token) -> None:
        """Notes `last_used_at`, at most once per 60 s, with the next write: never waits."""
        raise NotImplementedError
