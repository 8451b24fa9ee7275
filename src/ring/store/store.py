"""The only door to the database: what is durable, and the mirror of it in memory.

Reads of active rows, ledger and last events come from the mirror and cost nothing; it is changed
only by the commit that wrote it, on the loop's thread, in commit order. Everything else is read on
a read-only connection. Every write is one transaction, run whole on the one writer.
"""

from __future__ import annotations

import contextlib
import logging
import uuid
from typing import TYPE_CHECKING, TypeVar

from ring.core.errors import HostError
from ring.core.model.logs import USUAL, Allowance
from ring.core.namespace_network import UNSET
from ring.core.references import references
from ring.store import (
    acceptance,
    commits,
    deployments,
    last_words,
    ledger,
    namespaces,
    previewing,
    server,
    tokens,
    users,
    verbs,
)
from ring.store import events as journal
from ring.store import known as knowing
from ring.store.anonymous_volumes import AnonymousVolumes
from ring.store.audit import Audit
from ring.store.configs import Configs
from ring.store.counts import Counts
from ring.store.database import REVISIONS_KEPT, Database, Transaction
from ring.store.door import Door, Locked, Vault
from ring.store.health_checks import HealthChecks
from ring.store.images import Images
from ring.store.last_words import Words
from ring.store.lock import DatabaseLock
from ring.store.mirror import Change, InputChanged, Mirror, RowPut, TokensEnded
from ring.store.pats import Pats
from ring.store.records import Accepted, AuditEntry, Author, Namespace, Pat, Token, User
from ring.store.revisions import Revisions
from ring.store.secrets import Secrets
from ring.store.trouble import StoreError
from ring.store.users import Users
from ring.store.volumes import Volumes
from ring.store.webhooks import Webhooks
from ring.store.weighing import Request

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from pathlib import Path

    from ring.clock import Clock
    from ring.core.model.deployment import Deployment
    from ring.core.model.events import Event, EventDraft, Level
    from ring.core.model.ids import DeploymentId, GroupKey, InstanceName
    from ring.core.model.ledger import Entry
    from ring.core.model.spec import DeploymentSpec
    from ring.core.namespace_network import NamespaceNetwork
    from ring.core.orphans import Known
    from ring.core.plan.view import Plan
    from ring.store.previewing import Preview
    from ring.store.verbs import Ask

__all__ = ["Accepted", "AuditEntry", "Author", "Namespace", "Pat", "Store", "Token", "User"]

T = TypeVar("T")

_log = logging.getLogger(__name__)


def _uuid4() -> str:
    return str(uuid.uuid4())


class Store:
    """Opened once, by the server that gets the lock."""

    server_id: str
    """UUID of this database's server, on every instance it makes."""

    def __init__(
        self,
        database: Database,
        lock: DatabaseLock | None,
        clock: Clock,
        vault: Vault,
        allowance: Allowance,
    ) -> None:
        """For `open` and `reopen` alone."""
        self._database = database
        self._vault = vault
        self._lock = lock
        self._clock = clock
        self._allowance = allowance
        self._touches = tokens.Touches(clock)
        self._told: Callable[[GroupKey], None] = lambda _: None
        self._ended: Callable[[str], None] = lambda _: None
        self._mirror = Mirror.of(
            [deployments.decode(row) for row in database.read("deployments", "all")],
            [ledger.decode(row) for row in database.read("ledger", "all")],
            deployments.tombstones(database.read("deployments", "tombstones")),
        )
        self.server_id = database.write_inline(server.identify, self._mirror.apply)
        self._fit_words()
        self._door = Door(database, vault, self._touches, self._apply)
        self.secrets = Secrets(self._door)
        self.configs = Configs(self._door)
        self.volumes = Volumes(self._door)
        self.health_checks = HealthChecks(self._door)
        self.counts = Counts(self._door)
        self.users = Users(self._door)
        self.pats = Pats(self._door)
        self.audit = Audit(self._door, clock)
        self.webhooks = Webhooks(self._door)
        self.revisions = Revisions(self._door)
        self.images = Images(self._door)
        self.anonymous_volumes = AnonymousVolumes(self._door)
        self.words = Words(self._door, allowance)

    def _fit_words(self) -> None:
        """Less of them may be allowed than at the last start, as on a disk that is full by now."""
        try:
            self._database.write_inline(
                lambda tx: last_words.fit(tx, self._allowance), self._mirror.apply
            )
        except StoreError as error:
            _log.warning("more than is allowed of what instances wrote last: %s", error.message)

    @classmethod
    def open(
        cls,
        path: Path | None,
        clock: Clock,
        *,
        vault: Vault | None = None,
        inline: bool = False,
        new_id: Callable[[], str] = _uuid4,
        revisions_kept: int = REVISIONS_KEPT,
        allowance: Allowance = USUAL,
    ) -> Store:
        """Locks, opens, creates and migrates. None: in memory, always inline.

        vault: seals secrets; without one there are none. inline: writes run on the caller's thread
        (simulation). revisions_kept: of each deployment. allowance: for what instances that have
        ended wrote last. Raises HostError naming the path and the reason, or the pid of the server
        that has it open.
        """
        with contextlib.ExitStack() as undo:
            lock = None if path is None else DatabaseLock(path)
            if lock is not None:
                undo.callback(lock.release)
            vault = vault or Locked()
            database = Database(path, clock, new_id, vault, revisions_kept=revisions_kept)
            undo.callback(database.disconnect)
            try:
                store = cls(database, lock, clock, vault, allowance)
            except StoreError as error:
                raise HostError(f"cannot open database {path}: {error.message}") from error
            undo.pop_all()
        if path is not None and not inline:
            database.start_thread()
        return store

    def reopen(self) -> Store:
        """A store on the same open database that has forgotten all but what was committed.

        For inline stores: what a kill and a new start leave. This one is not to be used again.
        """
        return Store(self._database, self._lock, self._clock, self._vault, self._allowance)

    async def close(self) -> None:
        """Finishes queued writes. Idempotent."""
        if not self._database.is_closed and self._touches:
            with contextlib.suppress(StoreError):  # when a token was last used is best effort
                await self._write(lambda _: None)
        await self._database.close()
        if self._lock is not None:
            self._lock.release()

    def listen(self, told: Callable[[GroupKey], None]) -> None:
        """Tells of every group whose desired state a user has changed, or a secret or config that
        it refers to, once it is committed.

        On the loop's thread, also when whoever asked for the change has gone meanwhile.
        """
        self._told = told

    def listen_ended(self, ended: Callable[[str], None]) -> None:
        """Tells of every user some of whose tokens were revoked, or who was disabled or deleted,
        once it is committed. On the loop's thread, as `listen` does."""
        self._ended = ended

    # The mirror: loop thread only, no await.

    def groups(self) -> Iterable[GroupKey]:
        """Groups with at least one row that is not purged."""
        return self._mirror.groups()

    def rows(self, key: GroupKey) -> tuple[Deployment, ...]:
        """Rows of a group, deleted ones included, oldest first."""
        return self._mirror.rows(key)

    def deployment(self, deployment_id: DeploymentId) -> Deployment | None:
        return self._mirror.row(deployment_id)

    def deployments(self) -> tuple[Deployment, ...]:
        """All rows until purged, in creation order."""
        return self._mirror.all_rows()

    def password(self, row: Deployment) -> str | None:
        """Of the row's registry, in clear. Raises RingError where it cannot be opened."""
        return None if row.password is None else self._vault.open(row.password)

    def ledger(self, key: GroupKey) -> Mapping[InstanceName, Entry]:
        """As it is now; a later commit does not change what was handed out."""
        return self._mirror.ledger(key)

    def is_tombstone(self, deployment_id: DeploymentId) -> bool:
        """Purged in the last 7 days."""
        purged_at = self._mirror.purged_at(deployment_id)
        return purged_at is not None and deployments.is_kept(purged_at, self._clock.wall())

    # Writes.

    async def commit(self, plan: Plan) -> bool:
        """A plan's rows, ledger, events and purges in one transaction.

        False, with nothing written, if a row it starts from was changed or purged meanwhile
        (Deployment.version), or if it starts an instance of a row that is deleted by now.
        Equal events within 300 s are left out.
        """
        if not commits.needs_check(plan):
            return True
        return await self._write(lambda tx: commits.commit(tx, plan))

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
        request = Request(
            spec=spec,
            author=author,
            force=force,
            if_changed=if_changed,
            image_moved=image_moved,
            unknown_fields=unknown_fields,
        )
        return await self._write(lambda tx: acceptance.accept(tx, request), self._desired_changed)

    def preview(
        self,
        spec: DeploymentSpec,
        author: Author,
        *,
        force: bool = False,
        if_changed: bool = False,
        image_moved: bool = False,
    ) -> Preview:
        """What `accept` would do now; nothing is written. Raises Denied."""
        request = Request(
            spec=spec,
            author=author,
            force=force,
            if_changed=if_changed,
            image_moved=image_moved,
            unknown_fields=(),
        )
        return self._door.look(lambda tx: previewing.preview(tx, request))

    async def restart(self, ask: Ask) -> Accepted:
        """A new row of the same spec. This and the next four raise NotFound, Conflict where the row
        is not in a state for it, and Invalid where the new spec breaks a rule."""
        return await self._write(lambda tx: verbs.restart(tx, ask), self._desired_changed)

    async def scale(self, ask: Ask, replicas: int) -> Accepted:
        """Another count: in place where that can be, else a new row."""
        return await self._write(lambda tx: verbs.scale(tx, ask, replicas), self._desired_changed)

    async def stop(self, ask: Ask) -> Accepted:
        """Nothing of the group is to run; its rows stay."""
        return await self._write(lambda tx: verbs.stop(tx, ask), self._desired_changed)

    async def start(self, ask: Ask) -> Accepted:
        """What was stopped is to run again."""
        return await self._write(lambda tx: verbs.start(tx, ask), self._desired_changed)

    async def roll_back(self, ask: Ask, to: int | None) -> Accepted:
        """A new row of an earlier spec, or the parent of a rollout that is given up."""
        return await self._write(lambda tx: verbs.roll_back(tx, ask, to), self._desired_changed)

    async def delete(self, deployment_id: DeploymentId, author: Author) -> Deployment | None:
        """Marks `deleted`; the row as it is afterwards, None if there is none. Idempotent."""
        return await self._write(
            lambda tx: acceptance.delete(tx, deployment_id, author), self._desired_changed
        )

    async def record(self, events: Sequence[EventDraft]) -> None:
        """Events alone; those of rows that are gone are dropped, equal ones coalesced."""
        if events:
            await self._write(lambda tx: journal.add(tx, events))

    # Reads.

    def known(self) -> Known:
        """What there is, for telling what belongs to nothing of it."""
        return knowing.known(self._door)

    def was_told(self, row: Deployment, reason: str) -> bool:
        """Whether a deployment of its namespace and runtime has an event with this reason."""
        spec = row.spec
        values = {"namespace": spec.namespace, "runtime": spec.runtime, "reason": reason}
        return self._database.read_one("events", "in_namespace", values) is not None

    def events(
        self, deployment_id: DeploymentId, *, level: Level | None, limit: int
    ) -> tuple[Event, ...]:
        """Newest first."""
        found = self._database.read(
            "events", "newest", {"deployment_id": deployment_id, "level": level, "limit": limit}
        )
        return tuple(journal.decode(row) for row in found)

    def namespaces(self) -> tuple[Namespace, ...]:
        """By name."""
        return tuple(namespaces.decode(row) for row in self._database.read("namespaces", "all"))

    def namespace(self, id_or_name: str) -> Namespace | None:
        row = self._database.read_one("namespaces", "by_id", {"id": id_or_name})
        if row is None:
            row = self._database.read_one("namespaces", "by_name", {"name": id_or_name})
        return None if row is None else namespaces.decode(row)

    async def create_namespace(
        self, name: str, author: Author, network: NamespaceNetwork = UNSET
    ) -> Namespace:
        """With its audit entry. Raises Conflict: `namespace '<n>' already exists`."""
        return await self._write(lambda tx: namespaces.create(tx, name, author, network))

    async def set_namespace_network(
        self, namespace: Namespace, network: NamespaceNetwork, author: Author
    ) -> Namespace:
        """All its settings, with an audit entry where they are others. Raises NotFound."""
        return await self._write(lambda tx: namespaces.set_network(tx, namespace, network, author))

    def namespace_network(self, name: str) -> NamespaceNetwork:
        """Unset as well where there is no such namespace."""
        row = self._database.read_one("namespaces", "by_name", {"name": name})
        return UNSET if row is None else namespaces.decode(row).network

    def namespace_to_change(self, name_or_id: str) -> Namespace | None:
        """A name goes first: one may look like the id of another."""
        row = self._database.read_one("namespaces", "by_name", {"name": name_or_id})
        if row is None:
            row = self._database.read_one("namespaces", "by_id", {"id": name_or_id})
        return None if row is None else namespaces.decode(row)

    async def delete_namespace(self, namespace: Namespace, author: Author) -> None:
        """With its volume rows and its audit trail. Raises NotFound, and Conflict if it holds
        anything: `remaining` says how much."""
        await self._write(lambda tx: namespaces.delete(tx, namespace, author))

    # Accounts.

    def user_named(self, username: str) -> User | None:
        row = self._database.read_one("users", "by_username", {"username": username})
        return None if row is None else users.decode(row)

    async def seed_admin(self, password_hash: str) -> bool:
        """Makes the user `admin` where there is no user at all. True: made."""
        return await self._write(lambda tx: users.seed_admin(tx, password_hash))

    async def open_session(
        self, user: User, *, token_hash: str, token_prefix: str, scopes: Iterable[str]
    ) -> None:
        """A session token row, `login_at`, and the audit entry. Raises Conflict where the account
        is not any more what it was."""
        granted = tuple(scopes)
        await self._write(
            lambda tx: tokens.open_session(
                tx, user, token_hash=token_hash, token_prefix=token_prefix, scopes=granted
            )
        )

    def token(self, token_hash: str) -> Token | None:
        """With its user; damaged scopes or namespaces make it None (fail closed)."""
        row = self._database.read_one("tokens", "by_hash", {"token_hash": token_hash})
        return None if row is None else tokens.decode(row)

    async def revoke_token(self, token: Token) -> None:
        """Idempotent; with its audit entry."""
        await self._write(lambda tx: tokens.revoke(tx, token))

    def touch_token(self, token: Token) -> None:
        """Notes `last_used_at`, at most once per 60 s, with the next write: never waits."""
        self._touches.note(token.id)

    def _apply(self, changes: Sequence[Change]) -> None:
        self._mirror.apply(changes)
        self.webhooks.tell(changes)
        for change in changes:
            if isinstance(change, InputChanged):
                for key in self._referring(change):
                    self._told(key)
            elif isinstance(change, TokensEnded):
                self._ended(change.user_id)

    def _referring(self, change: InputChanged) -> tuple[GroupKey, ...]:
        return tuple(
            key
            for key in self._mirror.groups()
            if key.namespace == change.namespace
            and any(change.reference in references(row.spec) for row in self._mirror.rows(key))
        )

    def _desired_changed(self, changes: Sequence[Change]) -> None:
        self._apply(changes)
        for key in {change.row.key for change in changes if isinstance(change, RowPut)}:
            self._told(key)

    async def _write(
        self,
        work: Callable[[Transaction], T],
        applied: Callable[[Sequence[Change]], None] | None = None,
    ) -> T:
        return await self._door.write(work, applied)
