"""User accounts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ring.clock import rfc3339
from ring.store.records import User

if TYPE_CHECKING:
    import sqlite3

    from ring.store.database import Transaction


def decode(row: sqlite3.Row) -> User:
    return User(
        id=row["id"],
        username=row["username"],
        password=row["password"],
        role=row["role"],
        status=row["status"],
    )


def seed_admin(tx: Transaction, password_hash: str) -> bool:
    """Only where there is no user at all."""
    count = tx.one("accounts", "count", {})
    if count is not None and count["users"]:
        return False
    tx.run(
        "accounts",
        "insert",
        {
            "id": tx.new_id(),
            "username": "admin",
            "password": password_hash,
            "role": "admin",
            "status": "active",
            "created_at": rfc3339(tx.now),
        },
    )
    return True


def stamp_login(tx: Transaction, user: User) -> bool:
    """False: the user is gone."""
    return tx.run("accounts", "stamp_login", {"id": user.id, "at": rfc3339(tx.now)}) > 0
