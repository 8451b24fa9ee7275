"""The registry of named volumes: what is known of them, not what is in them."""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ring.clock import rfc3339
from ring.core.errors import Conflict, NotFound
from ring.core.references import Reference
from ring.store import audit, inputs, namespaces
from ring.store.decoding import EPOCH, json_value, moment
from ring.store.records import Wanted

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Iterator, Mapping
    from datetime import datetime

    from ring.store.database import Transaction
    from ring.store.door import Door
    from ring.store.records import Author

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Volume:
    id: str
    namespace: str
    name: str
    size: int | None
    """Bytes; a hint, no quota."""
    backend_type: str
    host_path: str
    labels: Mapping[str, str]
    created_at: datetime
    updated_at: datetime | None


@dataclass(frozen=True, slots=True)
class Draft:
    """What is to be registered."""

    namespace: str
    name: str
    size: int | None
    backend_type: str
    labels: Mapping[str, str]


class Volumes:
    def __init__(self, door: Door) -> None:
        self._door = door

    def listed(self, wanted: Wanted) -> Iterator[Volume]:
        """By namespace and name. Read at once; each is decoded as it is taken."""
        return map(decode, self._door.read("volumes", "listed", wanted.values()))

    def volume(self, volume_id: str) -> Volume | None:
        row = self._door.read_one("volumes", "by_id", {"id": volume_id})
        return None if row is None else decode(row)

    async def create(self, draft: Draft, author: Author) -> Volume:
        """With its audit entry. Raises NotFound (the namespace), Conflict."""
        return await self._door.write(lambda tx: _create(tx, draft, author))

    async def delete(self, volume_id: str, author: Author, *, even_if_referenced: bool) -> None:
        """The row alone, with its audit entry. Raises NotFound; Conflict, which names who
        mounts it."""
        await self._door.write(
            lambda tx: _delete(tx, volume_id, author, even_if_referenced=even_if_referenced)
        )

    async def register(self, namespace: str, names: Iterable[str], backend_type: str) -> None:
        """Those that a deployment mounts and nobody has registered; a read where all of them are.

        Idempotent. Nobody's act, so without an audit entry.
        """
        mounted = frozenset(names)
        if not mounted:
            return
        wanted = Wanted(frozenset({namespace}), mounted)
        missing = mounted - {volume.name for volume in self.listed(wanted)}
        if missing:
            await self._door.write(lambda tx: register(tx, namespace, missing, backend_type))


def register(tx: Transaction, namespace: str, names: Iterable[str], backend_type: str) -> None:
    """The same as part of a transaction; those that are registered stay as they are.

    Where the namespace has been deleted meanwhile nothing is: the row would belong to nobody.
    """
    if tx.one("namespaces", "by_name", {"name": namespace}) is None:
        return
    for name in sorted(names):
        _insert(tx, tx.new_id(), Draft(namespace, name, None, backend_type, {}))


def decode(row: sqlite3.Row) -> Volume:
    name = f"volume {row['id']}"
    return Volume(
        id=row["id"],
        namespace=row["namespace"],
        name=row["name"],
        size=row["size"],
        backend_type=row["backend_type"],
        host_path=row["host_path"],
        labels=_labels(row["labels"], of=f"{name}: labels"),
        created_at=moment(row["created_at"], of=f"{name}: created_at") or EPOCH,
        updated_at=moment(row["updated_at"], of=f"{name}: updated_at"),
    )


def _create(tx: Transaction, draft: Draft, author: Author) -> Volume:
    namespaces.expect(tx, draft.namespace)
    made = tx.new_id()
    if not _insert(tx, made, draft):
        raise Conflict(f"volume '{draft.name}' already exists in namespace '{draft.namespace}'")
    volume = _expected(tx, made)
    _audit(tx, volume, author, "create")
    return volume


def _insert(tx: Transaction, volume_id: str, draft: Draft) -> bool:
    """False: there is one of that name."""
    values = {
        "id": volume_id,
        "namespace": draft.namespace,
        "name": draft.name,
        "size": draft.size,
        "backend_type": draft.backend_type,
        "labels": json.dumps(dict(draft.labels), ensure_ascii=False),
        "created_at": rfc3339(tx.now),
    }
    return tx.run("volumes", "insert", values) > 0


def _delete(tx: Transaction, volume_id: str, author: Author, *, even_if_referenced: bool) -> None:
    doomed = _expected(tx, volume_id)
    holders = inputs.holders(tx, doomed.namespace, Reference("volume", doomed.name))
    if holders and not even_if_referenced:
        raise Conflict(
            "Volume is referenced by deployments",
            extra={"deployments": list(holders), "hint": "Use ?force=true to delete anyway"},
        )
    tx.run("volumes", "delete", {"id": volume_id})
    _audit(tx, doomed, author, "delete")


def _expected(tx: Transaction, volume_id: str) -> Volume:
    row = tx.one("volumes", "by_id", {"id": volume_id})
    if row is None:
        raise NotFound("Volume not found")
    return decode(row)


def _audit(tx: Transaction, volume: Volume, author: Author, action: str) -> None:
    target = audit.Target("volume", volume.name, namespace=volume.namespace)
    audit.record(tx, author.user_id, action, target)


def _labels(text: str, *, of: str) -> Mapping[str, str]:
    try:
        labels = json_value(text)
    except (TypeError, ValueError):
        labels = None
    if isinstance(labels, dict) and all(isinstance(value, str) for value in labels.values()):
        return labels
    _log.warning("%s cannot be read; they are taken as none", of)
    return {}
