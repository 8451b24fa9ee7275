"""Configs: named text, normally a JSON object of file contents."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ring.clock import rfc3339
from ring.core.errors import Conflict, NotFound
from ring.core.references import Reference, Stamp
from ring.store import audit, inputs, namespaces
from ring.store.decoding import EPOCH, moment

if TYPE_CHECKING:
    from datetime import datetime

    from ring.store.database import Transaction
    from ring.store.door import Door
    from ring.store.records import Author, Wanted


@dataclass(frozen=True, slots=True)
class Config:
    id: str
    namespace: str
    name: str
    data: str
    labels: str
    version: int
    """Grows with every write that changes the data."""
    created_at: datetime
    updated_at: datetime | None


@dataclass(frozen=True, slots=True)
class Draft:
    """What a config is to say."""

    name: str
    data: str
    labels: str


class Configs:
    def __init__(self, door: Door) -> None:
        self._door = door

    def named(self, namespace: str, name: str) -> Config | None:
        row = self._door.read_one("configs", "named", {"namespace": namespace, "name": name})
        return None if row is None else decode(row)

    def config(self, config_id: str) -> Config | None:
        row = self._door.read_one("configs", "by_id", {"id": config_id})
        return None if row is None else decode(row)

    def ids(self, wanted: Wanted) -> tuple[str, ...]:
        """By namespace and name. Not the configs: each may hold a megabyte."""
        return tuple(row["id"] for row in self._door.read("configs", "listed", wanted.values()))

    async def create(self, namespace: str, draft: Draft, author: Author) -> Config:
        """With its audit entry, and the namespace where the author may make it.

        Raises NotFound (there is none, and it is not the author's to make), Conflict.
        """
        return await self._door.write(lambda tx: _create(tx, namespace, draft, author))

    async def replace(self, config_id: str, draft: Draft, author: Author) -> Config:
        """All but the namespace, with its audit entry. Raises NotFound, Conflict."""
        return await self._door.write(lambda tx: _replace(tx, config_id, draft, author))

    async def delete(self, config_id: str, author: Author) -> None:
        """With its audit entry, whoever refers to it. Raises NotFound."""
        await self._door.write(lambda tx: _delete(tx, config_id, author))


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


def _create(tx: Transaction, namespace: str, draft: Draft, author: Author) -> Config:
    if author.may_create_namespace:
        namespaces.ensure(tx, namespace, author)
    namespaces.expect(tx, namespace)
    made = Config(tx.new_id(), namespace, draft.name, draft.data, draft.labels, 1, tx.now, None)
    values = {"id": made.id, "namespace": namespace, "created_at": rfc3339(tx.now)}
    try:
        tx.run("configs", "insert", {**values, **_columns(draft)})
    except sqlite3.IntegrityError as error:
        raise _taken(namespace, draft.name) from error
    inputs.appeared(tx, namespace, _reference(made), Stamp(made.id, made.version))
    _audit(tx, made, author, "create")
    return made


def _replace(tx: Transaction, config_id: str, draft: Draft, author: Author) -> Config:
    before = _expected(tx, config_id)
    try:
        values = {"id": config_id, "at": rfc3339(tx.now), **_columns(draft)}
        tx.run("configs", "replace", values)
    except sqlite3.IntegrityError as error:
        raise _taken(before.namespace, draft.name) from error
    after = _expected(tx, config_id)
    if after.name != before.name:
        inputs.changed(tx, before.namespace, _reference(before))
        inputs.appeared(tx, after.namespace, _reference(after), Stamp(after.id, after.version))
    else:
        inputs.changed(tx, after.namespace, _reference(after))
    _audit(tx, after, author, "update")
    return after


def _delete(tx: Transaction, config_id: str, author: Author) -> None:
    doomed = _expected(tx, config_id)
    tx.run("configs", "delete", {"id": config_id})
    inputs.changed(tx, doomed.namespace, _reference(doomed))
    _audit(tx, doomed, author, "delete")


def _expected(tx: Transaction, config_id: str) -> Config:
    row = tx.one("configs", "by_id", {"id": config_id})
    if row is None:
        raise NotFound(f"configuration '{config_id}' does not exist")
    return decode(row)


def _taken(namespace: str, name: str) -> Conflict:
    return Conflict(f"configuration '{name}' already exists in namespace '{namespace}'")


def _columns(draft: Draft) -> dict[str, object]:
    return {"name": draft.name, "data": draft.data, "labels": draft.labels}


def _reference(config: Config) -> Reference:
    return Reference("config", config.name)


def _audit(tx: Transaction, config: Config, author: Author, action: str) -> None:
    target = audit.Target("config", config.name, namespace=config.namespace)
    audit.record(tx, author.user_id, action, target)
