"""Secrets: sealed as they are written, opened for whoever brings up an instance."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ring.store.decoding import EPOCH, moment

if TYPE_CHECKING:
    import sqlite3
    from datetime import datetime

    from ring.store.door import Door


@dataclass(frozen=True, slots=True)
class Secret:
    """Without its value."""

    id: str
    namespace: str
    name: str
    version: int
    """Grows with every write of the value."""
    created_at: datetime
    updated_at: datetime | None


class Secrets:
    def __init__(self, door: Door) -> None:
        self._door = door

    def value(self, namespace: str, name: str) -> str | None:
        """In clear; None: there is no such secret. Raises RingError where it cannot be opened."""
        row = self._door.read_one("secrets", "named", {"namespace": namespace, "name": name})
        return None if row is None else self._door.vault.open(row["value"])


def decode(row: sqlite3.Row) -> Secret:
    name = f"secret {row['id']}"
    return Secret(
        id=row["id"],
        namespace=row["namespace"],
        name=row["name"],
        version=row["version"],
        created_at=moment(row["created_at"], of=f"{name}: created_at") or EPOCH,
        updated_at=moment(row["updated_at"], of=f"{name}: updated_at"),
    )
