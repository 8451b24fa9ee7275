"""Configs: named text, normally a JSON object of file contents."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ring.store.decoding import EPOCH, moment

if TYPE_CHECKING:
    import sqlite3
    from datetime import datetime

    from ring.store.door import Door


@dataclass(frozen=True, slots=True)
class Config:
    id: str
    namespace: str
    name: str
    data: str
    labels: str
    version: int
    """Grows with every write of the data."""
    created_at: datetime
    updated_at: datetime | None


class Configs:
    def __init__(self, door: Door) -> None:
        self._door = door

    def named(self, namespace: str, name: str) -> Config | None:
        row = self._door.read_one("configs", "named", {"namespace": namespace, "name": name})
        return None if row is None else decode(row)


def decode(row: sqlite3.Row) -> Config:
    name = f"config {row['id']}"
    return Config(
        id=row["id"],
        namespace=row["namespace"],
        name=row["name"],
        data=row["data"],
        labels=row["labels"],
        version=row["version"],
        created_at=moment(row["created_at"], of=f"{name}: created_at") or EPOCH,
        updated_at=moment(row["updated_at"], of=f"{name}: updated_at"),
    )
