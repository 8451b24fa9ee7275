"""Bearer tokens: only their hash is stored. Anything damaged makes one invalid."""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING

from ring.clock import parse_rfc3339, rfc3339
from ring.core.errors import Conflict
from ring.store import audit, revoking, users
from ring.store.decoding import json_value, moment
from ring.store.records import Token

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Mapping
    from datetime import datetime

    from ring.clock import Clock
    from ring.store.database import Transaction
    from ring.store.records import User

_log = logging.getLogger(__name__)

TOUCHED_EVERY_S = 60.0


def decode(row: sqlite3.Row) -> Token | None:
    """A joined row of token and user; None if what decides on access cannot be read."""
    try:
        scopes = words(row["scopes"])
        namespaces = words(row["namespaces"])
        revoked_at = None if row["revoked_at"] is None else parse_rfc3339(row["revoked_at"])
    except (TypeError, ValueError):
        _log.warning("token %s is damaged in the database; it is refused", row["id"])
        return None
    return Token(
        id=row["id"],
        user=users.decode(row, "user_id"),
        name=row["name"],
        kind=row["kind"],
        scopes=frozenset(scopes),
        namespaces=tuple(namespaces),
        expire_at=row["expire_at"],
        revoked_at=revoked_at,
        last_used_at=moment(row["last_used_at"], of=f"token {row['id']}: last_used_at"),
    )


def open_session(
    tx: Transaction, user: User, *, token_hash: str, token_prefix: str, scopes: Iterable[str]
) -> None:
    """A session row, the user's login time and the audit entry. Raises Conflict.

    The scopes are those of the user's role as it was when the password was checked.
    """
    if not users.stamp_login(tx, user):
        raise Conflict(f"user '{user.username}' is not what it was when it logged in")
    tx.run(
        "tokens",
        "insert",
        {
            "id": tx.new_id(),
            "user_id": user.id,
            "name": "session",
            "kind": "session",
            "token_hash": token_hash,
            "token_prefix": token_prefix,
            "scopes": json.dumps(sorted(scopes)),
            "namespaces": "[]",
            "created_at": rfc3339(tx.now),
            "expire_at": None,
        },
    )
    audit.record(tx, user.id, "login", audit.Target("session", user.username))


def revoke(tx: Transaction, token: Token) -> None:
    """Idempotent; the audit entry is written once."""
    if revoking.revoke(tx, token.id, token.user.id):
        audit.record(tx, token.user.id, "logout", audit.Target("session", token.user.username))


class Touches:
    """When tokens were used, kept until a write takes them along. Belongs to the loop's thread."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._noted: dict[str, float] = {}
        self._pending: dict[str, datetime] = {}

    def __bool__(self) -> bool:
        return bool(self._pending)

    def note(self, token_id: str) -> None:
        now = self._clock.mono()
        noted = self._noted.get(token_id)
        if noted is None or now - noted >= TOUCHED_EVERY_S:
            self._noted[token_id] = now
            self._pending[token_id] = self._clock.wall()

    def unwritten(self, token_id: str) -> datetime | None:
        """When it was used since its row was written; None: its row says so."""
        return self._pending.get(token_id)

    def take(self) -> Mapping[str, datetime]:
        """What is to be written, by token id."""
        pending = self._pending
        if pending:
            self._pending = {}
            since = self._clock.mono() - TOUCHED_EVERY_S
            self._noted = {token: at for token, at in self._noted.items() if at > since}
        return pending

    def put_back(self, taken: Mapping[str, datetime]) -> None:
        """After a write that failed."""
        self._pending = {**taken, **self._pending}


def touch(tx: Transaction, touched: Mapping[str, datetime]) -> None:
    for token_id, at in touched.items():
        tx.run("tokens", "touch", {"id": token_id, "at": rfc3339(at)})


def words(text: str) -> list[str]:
    """A JSON list of strings. Raises ValueError for anything else."""
    words = json_value(text)
    if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
        raise ValueError("not a list of strings")
    return words
