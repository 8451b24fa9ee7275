"""User accounts: whoever changes one has been allowed to; what must hold of all is held here.

Every change that ends tokens does so in its own transaction, and none is made for a token that has
ended itself while its request waited.
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ring.clock import rfc3339
from ring.core.errors import Conflict, NotFound
from ring.store import audit, revoking
from ring.store.decoding import EPOCH, moment
from ring.store.records import User

if TYPE_CHECKING:
    from ring.store.database import Transaction
    from ring.store.door import Door
    from ring.store.records import Token


@dataclass(frozen=True, slots=True)
class UserDraft:
    username: str
    password: str = field(repr=False)
    """Argon2 encoded."""
    role: str = "viewer"


@dataclass(frozen=True, slots=True)
class UserChange:
    """None: stays as it is."""

    username: str | None = None
    password: str | None = field(default=None, repr=False)
    """Argon2 encoded."""
    role: str | None = None
    status: str | None = None


class Users:
    def __init__(self, door: Door) -> None:
        self._door = door

    def all(self) -> tuple[User, ...]:
        """In creation order."""
        return tuple(decode(row) for row in self._door.read("users", "all"))

    def by_id(self, user_id: str) -> User | None:
        row = self._door.read_one("users", "by_id", {"id": user_id})
        return None if row is None else decode(row)

    async def create(self, draft: UserDraft, by: Token) -> User:
        """Raises Conflict where the name is taken, Lapsed."""
        return await self._door.write(lambda tx: create(tx, draft, by))

    async def update(self, user_id: str, change: UserChange, by: Token) -> User:
        """All of it or nothing; what is equal already changes nothing.

        A role change revokes all tokens of the user, a password change their sessions but `by`.
        Raises NotFound, Conflict (name taken, last admin), Lapsed.
        """
        return await self._door.write(lambda tx: update(tx, user_id, change, by))

    async def delete(self, user_id: str, by: Token) -> None:
        """With all its tokens revoked. Raises NotFound, Conflict (last admin), Lapsed."""
        await self._door.write(lambda tx: delete(tx, user_id, by))


def decode(row: sqlite3.Row, id_column: str = "id") -> User:
    name = f"user {row[id_column]}"
    return User(
        id=row[id_column],
        username=row["username"],
        password=row["password"],
        role=row["role"],
        status=row["status"],
        created_at=moment(row["created_at"], of=f"{name}: created_at") or EPOCH,
        updated_at=moment(row["updated_at"], of=f"{name}: updated_at"),
        login_at=moment(row["login_at"], of=f"{name}: login_at"),
    )


def seed_admin(tx: Transaction, password_hash: str) -> bool:
    """Only where there is no user at all."""
    count = tx.one("users", "count", {})
    if count is not None and count["users"]:
        return False
    _insert(tx, UserDraft("admin", password_hash, role="admin"))
    return True


def create(tx: Transaction, draft: UserDraft, by: Token) -> User:
    revoking.expect_live(tx, by)
    user_id = _insert(tx, draft)
    audit.record(tx, by.user.id, "create", audit.Target("user", draft.username))
    return _existing(tx, user_id)


def update(tx: Transaction, user_id: str, change: UserChange, by: Token) -> User:
    revoking.expect_live(tx, by)
    before = _existing(tx, user_id)
    username = change.username or before.username
    role = change.role or before.role
    status = change.status or before.status
    changes_role = role != before.role
    changes_rest = (username, status) != (before.username, before.status) or bool(change.password)
    if not changes_role and not changes_rest:
        return before
    if (role, status) != ("admin", "active"):
        _keep_an_admin(tx, before, "demote" if changes_role else "disable")
    values = {
        "id": user_id,
        "username": username,
        "password": change.password or before.password,
        "role": role,
        "status": status,
        "at": rfc3339(tx.now),
    }
    try:
        tx.run("users", "update", values)
    except sqlite3.IntegrityError as error:
        raise _taken(username) from error
    if changes_role:
        revoking.revoke_all(tx, user_id)
        audit.record(tx, by.user.id, "role", audit.Target("user", username))
    elif change.password:
        revoking.revoke_other_sessions(tx, user_id, kept=by.id)
    if status != before.status:
        revoking.tell(tx, user_id)
    if changes_rest:
        audit.record(tx, by.user.id, "update", audit.Target("user", username))
    return _existing(tx, user_id)


def delete(tx: Transaction, user_id: str, by: Token) -> None:
    revoking.expect_live(tx, by)
    user = _existing(tx, user_id)
    _keep_an_admin(tx, user, "delete")
    revoking.revoke_all(tx, user_id)
    tx.run("users", "delete", {"id": user_id})
    audit.record(tx, by.user.id, "delete", audit.Target("user", user.username))


def stamp_login(tx: Transaction, user: User) -> bool:
    """False: the account is not any more what was let in."""
    row = tx.one("users", "by_id", {"id": user.id})
    if row is None:
        return False
    now = decode(row)
    if (now.password, now.role, now.status) != (user.password, user.role, "active"):
        return False
    return tx.run("users", "stamp_login", {"id": user.id, "at": rfc3339(tx.now)}) > 0


def _existing(tx: Transaction, user_id: str) -> User:
    row = tx.one("users", "by_id", {"id": user_id})
    if row is None:
        raise NotFound("User not found")
    return decode(row)


def _keep_an_admin(tx: Transaction, user: User, act: str) -> None:
    """Raises Conflict where without this one nobody could administer."""
    if (user.role, user.status) != ("admin", "active"):
        return
    row = tx.one("users", "other_admins", {"id": user.id})
    if row is None or not row["users"]:
        raise Conflict(f"Cannot {act} the last admin")


def _insert(tx: Transaction, draft: UserDraft) -> str:
    user_id = tx.new_id()
    values = {
        "id": user_id,
        "username": draft.username,
        "password": draft.password,
        "role": draft.role,
        "status": "active",
        "created_at": rfc3339(tx.now),
    }
    try:
        tx.run("users", "insert", values)
    except sqlite3.IntegrityError as error:
        raise _taken(draft.username) from error
    return user_id


def _taken(username: str) -> Conflict:
    return Conflict(f"username '{username}' already exists")
