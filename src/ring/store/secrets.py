"""Secrets: sealed as they are written, opened for whoever brings up an instance."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ring.clock import rfc3339
from ring.core.errors import Conflict, NotFound, RingError
from ring.core.references import Reference, Stamp
from ring.store import audit, inputs, namespaces
from ring.store.decoding import EPOCH, moment

if TYPE_CHECKING:
    import sqlite3
    from datetime import datetime

    from ring.store.database import Transaction
    from ring.store.door import Door
    from ring.store.records import Author, Wanted


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
        return None if row is None else self._door.vault.open(_blob(row))

    def named(self, namespace: str, name: str) -> Secret | None:
        row = self._door.read_one("secrets", "named", {"namespace": namespace, "name": name})
        return None if row is None else decode(row)

    def listed(self, wanted: Wanted) -> tuple[Secret, ...]:
        """By namespace and name."""
        return tuple(decode(row) for row in self._door.read("secrets", "listed", wanted.values()))

    def secret(self, secret_id: str) -> Secret | None:
        row = self._door.read_one("secrets", "by_id", {"id": secret_id})
        return None if row is None else decode(row)

    async def create(self, namespace: str, name: str, value: str, author: Author) -> Secret:
        """With its audit entry. Raises NotFound (the namespace), Conflict."""
        return await self._door.write(lambda tx: _create(tx, namespace, name, value, author))

    async def replace(self, secret_id: str, value: str, author: Author) -> Secret:
        """Another value, with its audit entry. Raises NotFound."""
        return await self._door.write(lambda tx: _replace(tx, secret_id, value, author))

    async def delete(
        self, secret_id: str, author: Author, *, even_if_referenced: bool
    ) -> tuple[str, ...]:
        """`<namespace>/<name>` of the deployments that refer to what is gone now.

        With its audit entry. Raises NotFound; Conflict, which names them.
        """
        return await self._door.write(
            lambda tx: _delete(tx, secret_id, author, even_if_referenced=even_if_referenced)
        )

    def unopened(self) -> Secret | None:
        """The newest one, if this server's key does not open it: so much for all of them."""
        row = self._door.read_one("secrets", "newest")
        if row is None:
            return None
        try:
            self._door.vault.open(_blob(row))
        except RingError:
            return decode(row)
        return None


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


def _create(tx: Transaction, namespace: str, name: str, value: str, author: Author) -> Secret:
    namespaces.expect(tx, namespace)
    if tx.one("secrets", "stamp", {"namespace": namespace, "name": name}) is not None:
        raise Conflict(f"secret '{name}' already exists in namespace '{namespace}'")
    made = Secret(tx.new_id(), namespace, name, 1, tx.now, None)
    tx.run(
        "secrets",
        "insert",
        {
            "id": made.id,
            "namespace": namespace,
            "name": name,
            "value": tx.vault.seal(value),
            "created_at": rfc3339(tx.now),
        },
    )
    inputs.appeared(tx, namespace, _reference(made), Stamp(made.id, made.version))
    _audit(tx, made, author, "create")
    return made


def _replace(tx: Transaction, secret_id: str, value: str, author: Author) -> Secret:
    at = rfc3339(tx.now)
    tx.run("secrets", "replace", {"id": secret_id, "value": tx.vault.seal(value), "at": at})
    replaced = _expected(tx, secret_id)
    inputs.changed(tx, replaced.namespace, _reference(replaced))
    _audit(tx, replaced, author, "update")
    return replaced


def _delete(
    tx: Transaction, secret_id: str, author: Author, *, even_if_referenced: bool
) -> tuple[str, ...]:
    doomed = _expected(tx, secret_id)
    holders = inputs.holders(tx, doomed.namespace, _reference(doomed))
    if holders and not even_if_referenced:
        raise Conflict(
            "Secret is referenced by deployments",
            extra={"deployments": list(holders), "hint": "Use ?force=true to delete anyway"},
        )
    tx.run("secrets", "delete", {"id": secret_id})
    inputs.changed(tx, doomed.namespace, _reference(doomed))
    _audit(tx, doomed, author, "delete")
    return holders


def _expected(tx: Transaction, secret_id: str) -> Secret:
    row = tx.one("secrets", "by_id", {"id": secret_id})
    if row is None:
        raise NotFound("Secret not found")
    return decode(row)


def _reference(secret: Secret) -> Reference:
    return Reference("secret", secret.name)


def _audit(tx: Transaction, secret: Secret, author: Author, action: str) -> None:
    target = audit.Target("secret", secret.name, namespace=secret.namespace)
    audit.record(tx, author.user_id, action, target)


def _blob(row: sqlite3.Row) -> bytes:
    """Anything but bytes is damage, and opens no more than none would."""
    value = row["value"]
    return value if isinstance(value, bytes) else b""
