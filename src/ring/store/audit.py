"""The audit log: who did what to which object."""

from __future__ import annotations

import logging
import sqlite3
from collections import deque
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, NamedTuple

from ring.clock import rfc3339
from ring.core.errors import HostError
from ring.store.decoding import EPOCH, moment
from ring.store.records import AuditEntry

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Mapping

    from ring.clock import Clock
    from ring.store.database import Transaction
    from ring.store.door import Door

FAILED_LOGINS_KEPT = 10_000
FAILED_LOGINS_A_MINUTE = 60
"""Recorded, whoever tries however often: an entry costs a write, and anybody can provoke one."""
_WINDOW_S = 60.0
_NAME_CHARS = 64
"""Of a username that nobody has checked."""
_PAGE = 200
_NEWEST = 2**63 - 1

_log = logging.getLogger(__name__)


class Target(NamedTuple):
    type: str
    name: str
    namespace: str | None = None


class Written(NamedTuple):
    """An entry that was written; a number alone may be given again."""

    seq: int
    id: str


class Audit:
    def __init__(self, door: Door, clock: Clock) -> None:
        self._door = door
        self._clock = clock
        self._failed: deque[float] = deque(maxlen=FAILED_LOGINS_A_MINUTE)

    def newest(self, *, namespace: str, limit: int) -> tuple[AuditEntry, ...]:
        """Of one namespace, newest first."""
        values = {"namespace": namespace, "before": _NEWEST, "limit": limit}
        return tuple(decode(row) for row in self._door.read("audit", "of_namespace", values))

    def pages(
        self, *, namespace: str | None = None, user_id: str | None = None
    ) -> Iterator[tuple[AuditEntry, ...]]:
        """All entries, newest first, of the namespace or else of the user where one is named; each
        page is read when it is asked for."""
        before = _NEWEST
        while True:
            rows = self._page(namespace, user_id, {"before": before, "limit": _PAGE})
            page = tuple(decode(row) for row in rows)
            if page:
                yield page
            if len(page) < _PAGE:
                return
            before = page[-1].seq

    def _page(
        self, namespace: str | None, user_id: str | None, range_: Mapping[str, object]
    ) -> list[sqlite3.Row]:
        if namespace is not None:
            return self._door.read("audit", "of_namespace", {**range_, "namespace": namespace})
        if user_id is not None:
            return self._door.read("audit", "of_user", {**range_, "user_id": user_id})
        return self._door.read("audit", "before", range_)

    async def record(self, user_id: str | None, action: str, target: Target) -> None:
        """An act that changes nothing stored. Raises HostError: then it is not to be done."""
        await self._door.write(lambda tx: _insert(tx, user_id, action, target))

    @asynccontextmanager
    async def during(self, user_id: str | None, action: str, target: Target) -> AsyncIterator[None]:
        """An act on an engine: recorded before it is done, and as `<action>_failed` where it fails.

        One that the server did not live to see the end of has the first entry alone. Raises
        HostError on entering: then it is not to be done.
        """
        await self.record(user_id, action, target)
        try:
            yield
        except Exception:
            try:
                await self.record(user_id, f"{action}_failed", target)
            except HostError as error:
                _log.error("Failed to record audit entry %s_failed: %s", action, error.message)
            raise

    async def put(
        self, entry: Written | None, user_id: str, action: str, target: Target
    ) -> Written:
        """Names this target in an entry that named less of it, or in a new one where there is none
        (any more). Raises HostError: then the act is not to be done."""
        return await self._door.write(lambda tx: _put(tx, entry, user_id, action, target))

    async def login_failed(self, username: str) -> None:
        """Unless too many have failed lately. Never raises: who tries is told the same anyway."""
        now = self._clock.mono()
        recent = self._failed
        if len(recent) == recent.maxlen and now - recent[0] < _WINDOW_S:
            return
        recent.append(now)
        try:
            await self._door.write(lambda tx: _login_failed(tx, username[:_NAME_CHARS]))
        except HostError as error:
            _log.error("Failed to record audit entry login_failed session: %s", error.message)


def record(tx: Transaction, user_id: str | None, action: str, target: Target) -> None:
    """In the transaction of what it records, which goes through without it if it must."""
    try:
        _insert(tx, user_id, action, target)
    except sqlite3.Error as error:
        if not tx.connection.in_transaction:  # SQLite has given up all of it
            raise
        _log.error("Failed to record audit entry %s %s: %s", action, target.type, error)


def _put(
    tx: Transaction, entry: Written | None, user_id: str, action: str, target: Target
) -> Written:
    if entry is not None:
        values = {"seq": entry.seq, "id": entry.id, "target_name": target.name}
        if tx.run("audit", "rename", values):
            return entry
    entry_id = _insert(tx, user_id, action, target)
    row = tx.one("audit", "newest", {})
    assert row is not None  # noqa: S101 - it was inserted
    return Written(row["seq"], entry_id)


def _insert(tx: Transaction, user_id: str | None, action: str, target: Target) -> str:
    """Its id."""
    entry_id = tx.new_id()
    values = {
        "id": entry_id,
        "timestamp": rfc3339(tx.now),
        "user_id": user_id,
        "action": action,
        "target_type": target.type,
        "target_name": target.name,
        "namespace": target.namespace,
    }
    tx.run("audit", "insert", values)
    return entry_id


def purge_namespace(tx: Transaction, namespace: str) -> None:
    tx.run("audit", "purge_namespace", {"namespace": namespace})


def decode(row: sqlite3.Row) -> AuditEntry:
    at = moment(row["timestamp"], of=f"audit entry {row['id']}: timestamp")
    return AuditEntry(
        seq=row["seq"],
        id=row["id"],
        timestamp=at or EPOCH,
        user_id=row["user_id"],
        action=row["action"],
        target_type=row["target_type"],
        target_name=row["target_name"],
        namespace=row["namespace"],
    )


def _login_failed(tx: Transaction, username: str) -> None:
    """Of nobody: whoever tried is not known to be the one they named."""
    record(tx, None, "login_failed", Target("session", username))
    tx.run("audit", "thin_failed_logins", {"kept": FAILED_LOGINS_KEPT})
