"""Hooks, and what is on its way to each of them."""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from ring.clock import rfc3339
from ring.core.errors import Conflict, RingError
from ring.core.webhooks import retries
from ring.store import audit
from ring.store.decoding import EPOCH, json_value, moment
from ring.store.mirror import HookRevoked, Queued

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime

    from ring.store.database import Transaction
    from ring.store.door import Door
    from ring.store.mirror import Change
    from ring.store.records import Author

_log = logging.getLogger(__name__)

KEPT: Final = {"delivered": timedelta(days=7), "dead": timedelta(days=30)}
LOOKED_AT: Final = 4
"""For each event of a hook's history that is asked for."""
MOST_ACTIVE: Final = 256
"""Each event costs a row for each hook that wants it, in the write of what it tells."""
_PURGED_AT_ONCE: Final = 500


@dataclass(frozen=True, slots=True)
class Webhook:
    """Without its secret."""

    id: str
    url: str
    events: tuple[str, ...]
    """Empty: every kind."""
    namespaces: tuple[str, ...] | None
    """Empty: all. None: damaged, so it is told of none."""
    created_at: datetime
    revoked_at: datetime | None


@dataclass(frozen=True, slots=True)
class Target:
    """Where a hook's events go, and what they are signed with."""

    id: str
    url: str
    secret: str | None = field(repr=False)


@dataclass(frozen=True, slots=True)
class Due:
    """One event that a hook is to get now."""

    event_id: str
    seq: int
    """In the order in which they were published."""
    kind: str
    deployment_id: str
    payload: str
    failures: int


@dataclass(frozen=True, slots=True)
class Delivery:
    """One event on its way to one hook, or at the end of it."""

    event_id: str
    kind: str
    payload: str
    status: str
    attempts: int
    """That failed."""
    next_attempt_at: datetime
    last_error: str | None
    created_at: datetime
    updated_at: datetime | None


class Webhooks:
    def __init__(self, door: Door) -> None:
        self._door = door
        self._queued: Callable[[frozenset[str]], None] = lambda _: None
        self._revoked: Callable[[str], None] = lambda _: None

    def listen(
        self, queued: Callable[[frozenset[str]], None], revoked: Callable[[str], None]
    ) -> None:
        """Tells which hooks have something new, and which are no more, once it is committed.

        On the loop's thread.
        """
        self._queued, self._revoked = queued, revoked

    def tell(self, changes: Sequence[Change]) -> None:
        """For the store alone."""
        for change in changes:
            if isinstance(change, Queued):
                self._queued(change.webhook_ids)
            elif isinstance(change, HookRevoked):
                self._revoked(change.id)

    # hooks
    def all(self) -> tuple[Webhook, ...]:
        """Newest first, revoked ones included."""
        return tuple(decode(row) for row in self._door.read("webhooks", "all"))

    def get(self, webhook_id: str) -> Webhook | None:
        row = self._door.read_one("webhooks", "by_id", {"id": webhook_id})
        return None if row is None else decode(row)

    async def create(
        self,
        url: str,
        *,
        events: Sequence[str],
        namespaces: Sequence[str],
        secret: str,
        author: Author,
    ) -> Webhook:
        """With its audit entry; the secret is sealed. Raises Conflict where there are too many."""

        def work(tx: Transaction) -> Webhook:
            if len(tx.all("webhooks", "active", {})) >= MOST_ACTIVE:
                raise Conflict(f"there are {MOST_ACTIVE} webhooks already: delete one first")
            made = Webhook(tx.new_id(), url, tuple(events), tuple(namespaces), tx.now, None)
            tx.run(
                "webhooks",
                "insert",
                {
                    "id": made.id,
                    "url": url,
                    "secret": tx.vault.seal(secret),
                    "events": json.dumps(made.events),
                    "namespaces": json.dumps(made.namespaces),
                    "created_at": rfc3339(tx.now),
                },
            )
            audit.record(tx, author.user_id, "create", audit.Target("webhook", url))
            return made

        return await self._door.write(work)

    async def revoke(self, hook: Webhook, author: Author) -> None:
        """What is pending for it is dropped. Idempotent; with its audit entry."""

        def work(tx: Transaction) -> None:
            at = {"id": hook.id, "at": rfc3339(tx.now)}
            if not tx.run("webhooks", "revoke", at):
                return
            tx.run("webhooks", "drop_pending", {"id": hook.id})
            tx.run("webhooks", "settle_undeliverable", {"at": at["at"]})
            audit.record(tx, author.user_id, "delete", audit.Target("webhook", hook.url))
            tx.changes.append(HookRevoked(hook.id))

        await self._door.write(work)

    def history(self, webhook_id: str, limit: int) -> tuple[Delivery, ...]:
        """The hook's share of the newest `LOOKED_AT * limit` events, newest first."""
        found = self._door.read(
            "webhooks",
            "history",
            {"webhook_id": webhook_id, "looked_at": LOOKED_AT * limit, "limit": limit},
        )
        return tuple(_delivery(row) for row in found)

    # the queue
    def active(self) -> list[str]:
        """Ids of the hooks that are not revoked, oldest first."""
        return [row["id"] for row in self._door.read("webhooks", "active")]

    def target(self, webhook_id: str) -> Target | None:
        """None: it is revoked. Raises RingError where its secret cannot be opened."""
        row = self._door.read_one("webhooks", "target", {"id": webhook_id})
        if row is None:
            return None
        sealed = row["secret"]
        try:
            secret = None if sealed is None else self._door.vault.open(sealed)
        except RingError as error:
            raise RingError(f"the secret of the webhook cannot be read: {error.message}") from error
        return Target(row["id"], row["url"], secret)

    def due(self, webhook_id: str, now: datetime, limit: int) -> list[Due]:
        """What the hook is to get now: the longest due first."""
        values = {"webhook_id": webhook_id, "now": rfc3339(now), "limit": limit}
        return [
            Due(
                event_id=row["id"],
                seq=row["seq"],
                kind=row["kind"],
                deployment_id=row["deployment_id"],
                payload=row["payload"],
                failures=row["attempts"],
            )
            for row in self._door.read("webhooks", "due", values)
        ]

    async def settle(self, webhook_id: str, due: Due, error: str | None) -> bool:
        """How an attempt ended; None: it was taken. True: it was the last one of many that failed.

        Nothing changes where the hook was revoked meanwhile.
        """
        return await self._door.write(lambda tx: _settle(tx, webhook_id, due, error))

    async def pull_forward(self, now: datetime) -> None:
        """What the clock, as it is now, would never have let wait so long is due at once.

        A clock that was set back would hold what was published or tried before.
        """
        values = {
            "now": rfc3339(now),
            "latest": rfc3339(now + timedelta(seconds=retries.LONGEST_WAIT_S)),
        }
        if self._door.read("webhooks", "held_by_the_clock", values):
            await self._door.write(lambda tx: tx.run("webhooks", "pull_forward", values))

    async def purge(self, now: datetime) -> None:
        """Forgets what ended long ago, a piece at a time."""
        for status, kept in KEPT.items():
            values = {"status": status, "before": rfc3339(now - kept), "limit": _PURGED_AT_ONCE}

            def work(tx: Transaction, values: Mapping[str, object] = values) -> int:
                return tx.run("webhooks", "purge", values)

            while self._door.read("webhooks", "purgeable", values):
                await self._door.write(work)


def decode(row: sqlite3.Row) -> Webhook:
    name = f"webhook {row['id']}"
    events = _names(row["events"], of=f"{name}: events")
    return Webhook(
        id=row["id"],
        url=row["url"],
        events=() if events is None else events,
        namespaces=_names(row["namespaces"], of=f"{name}: namespaces"),
        created_at=moment(row["created_at"], of=f"{name}: created_at") or EPOCH,
        revoked_at=moment(row["revoked_at"], of=f"{name}: revoked_at"),
    )


def _names(text: str, *, of: str) -> tuple[str, ...] | None:
    """None: damaged."""
    try:
        found = json_value(text)
    except ValueError:
        found = None
    if isinstance(found, list) and all(isinstance(one, str) for one in found):
        return tuple(found)
    _log.warning("%s is not a list of names", of)
    return None


def _delivery(row: sqlite3.Row) -> Delivery:
    name = f"outbound event {row['id']}"
    return Delivery(
        event_id=row["id"],
        kind=row["kind"],
        payload=row["payload"],
        status=row["status"],
        attempts=row["attempts"],
        next_attempt_at=moment(row["next_attempt_at"], of=f"{name}: next_attempt_at") or EPOCH,
        last_error=row["last_error"],
        created_at=moment(row["created_at"], of=f"{name}: created_at") or EPOCH,
        updated_at=moment(row["updated_at"], of=f"{name}: updated_at"),
    )


def _settle(tx: Transaction, webhook_id: str, due: Due, error: str | None) -> bool:
    key = {"event_id": due.event_id, "webhook_id": webhook_id}
    at = rfc3339(tx.now)
    found = tx.one("webhooks", "delivery", key)
    if found is None:
        return False
    failures = found["attempts"] + (error is not None)
    wait_s = None if error is None else retries.wait_s(failures)
    status = "delivered" if error is None else "dead" if wait_s is None else "pending"
    next_at = rfc3339(tx.now + timedelta(seconds=wait_s or 0.0))
    tx.run(
        "webhooks",
        "settle",
        {
            **key,
            "status": status,
            "attempts": failures,
            "next_attempt_at": next_at,
            "last_error": error,
            "at": at,
        },
    )
    tx.run("webhooks", "sum_up", {"event_id": due.event_id, "last_error": error, "at": at})
    return status == "dead"
