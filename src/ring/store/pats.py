"""Tokens that users make for programs (PATs): each sees and ends only their own."""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ring.clock import rfc3339
from ring.core.access import has_expired
from ring.core.errors import Conflict, Denied, NotFound
from ring.store import audit, revoking
from ring.store.decoding import EPOCH, moment
from ring.store.records import Pat
from ring.store.tokens import words

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator

    from ring.store.database import Transaction
    from ring.store.door import Door
    from ring.store.records import Minted, Token

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class PatDraft:
    name: str
    scopes: tuple[str, ...]
    namespaces: tuple[str, ...]
    expire_at: str | None


class Pats:
    def __init__(self, door: Door) -> None:
        self._door = door

    def of(self, user_id: str) -> Iterator[Pat]:
        """Newest first, ended ones included. Read at once; each is decoded as it is taken."""
        return map(self._shown, self._door.read("tokens", "of_user", {"user_id": user_id}))

    def one(self, user_id: str, pat_id: str) -> Pat | None:
        row = self._door.read_one("tokens", "pat", {"id": pat_id, "user_id": user_id})
        return None if row is None else self._shown(row)

    async def create(self, draft: PatDraft, minted: Minted, by: Token) -> Pat:
        """Raises Denied where it would reach further than `by`, Lapsed."""
        return await self._door.write(lambda tx: create(tx, draft, minted, by))

    async def revoke(self, pat_id: str, by: Token) -> None:
        """Idempotent. Raises NotFound."""
        await self._door.write(lambda tx: revoke(tx, pat_id, by))

    async def rotate(self, pat_id: str, minted: Minted, by: Token) -> Pat:
        """Ends it and makes its like. Raises NotFound, Denied, Conflict where it has ended."""
        return await self._door.write(lambda tx: rotate(tx, pat_id, minted, by))

    def _shown(self, row: sqlite3.Row) -> Pat:
        """One that only reads may be in use for long before anything is written."""
        pat = decode(row)
        return replace(pat, last_used_at=self._door.used_at(pat.id) or pat.last_used_at)


def decode(row: sqlite3.Row) -> Pat:
    """For display alone: damage shows as nothing, and opens nothing either (tokens.decode)."""
    name = f"token {row['id']}"
    return Pat(
        id=row["id"],
        name=row["name"],
        prefix=row["token_prefix"],
        scopes=_shown(row["scopes"], name),
        namespaces=_shown(row["namespaces"], name),
        created_at=moment(row["created_at"], of=f"{name}: created_at") or EPOCH,
        expire_at=row["expire_at"],
        last_used_at=moment(row["last_used_at"], of=f"{name}: last_used_at"),
        revoked_at=moment(row["revoked_at"], of=f"{name}: revoked_at"),
    )


def create(tx: Transaction, draft: PatDraft, minted: Minted, by: Token) -> Pat:
    revoking.expect_live(tx, by)
    _expect_within(draft.namespaces, by)
    made = _insert(tx, draft, minted, by)
    audit.record(tx, by.user.id, "create", audit.Target("token", draft.name))
    return made


def revoke(tx: Transaction, pat_id: str, by: Token) -> None:
    revoking.expect_live(tx, by)
    pat = _existing(tx, pat_id, by)
    if revoking.revoke(tx, pat_id, by.user.id):
        audit.record(tx, by.user.id, "revoke", audit.Target("token", pat["name"]))


def rotate(tx: Transaction, pat_id: str, minted: Minted, by: Token) -> Pat:
    revoking.expect_live(tx, by)
    row = _existing(tx, pat_id, by)
    try:
        scopes, namespaces = tuple(words(row["scopes"])), tuple(words(row["namespaces"]))
    except (TypeError, ValueError) as error:
        raise Conflict("the token is damaged in the database; make a new one") from error
    _expect_within(namespaces, by)
    if row["revoked_at"] is not None:
        raise Conflict("the token is revoked; make a new one")
    if has_expired(row["expire_at"], tx.now):
        raise Conflict("the token has expired; make a new one")
    revoking.revoke(tx, pat_id, by.user.id)
    draft = PatDraft(row["name"], scopes, namespaces, row["expire_at"])
    made = _insert(tx, draft, minted, by)
    audit.record(tx, by.user.id, "rotate", audit.Target("token", draft.name))
    return made


def _existing(tx: Transaction, pat_id: str, by: Token) -> sqlite3.Row:
    row = tx.one("tokens", "pat", {"id": pat_id, "user_id": by.user.id})
    if row is None:
        raise NotFound("token not found")
    return row


def _expect_within(namespaces: tuple[str, ...], by: Token) -> None:
    """A token bound to namespaces has none made that reaches further: an empty list is all."""
    if not by.namespaces:
        return
    if not namespaces or not set(namespaces) <= set(by.namespaces):
        raise Denied(
            "a token bound to namespaces may only make tokens bound to some of them: "
            + ", ".join(by.namespaces)
        )


def _insert(tx: Transaction, draft: PatDraft, minted: Minted, by: Token) -> Pat:
    made = Pat(
        id=tx.new_id(),
        name=draft.name,
        prefix=minted.prefix,
        scopes=draft.scopes,
        namespaces=draft.namespaces,
        created_at=tx.now,
        expire_at=draft.expire_at,
        last_used_at=None,
        revoked_at=None,
    )
    tx.run(
        "tokens",
        "insert",
        {
            "id": made.id,
            "user_id": by.user.id,
            "name": made.name,
            "kind": "pat",
            "token_hash": minted.hash,
            "token_prefix": minted.prefix,
            "scopes": json.dumps(made.scopes),
            "namespaces": json.dumps(made.namespaces),
            "created_at": rfc3339(tx.now),
            "expire_at": made.expire_at,
        },
    )
    return made


def _shown(text: str, name: str) -> tuple[str, ...]:
    try:
        return tuple(words(text))
    except (TypeError, ValueError):
        _log.warning("%s is damaged in the database; it is refused", name)
        return ()
