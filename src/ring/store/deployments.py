"""Deployment rows and the tombstones they leave."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple

from ring.clock import rfc3339
from ring.core.model.deployment import Deployment
from ring.core.model.ids import DeploymentId, GroupKey
from ring.core.model.revision import Cause
from ring.core.model.spec import DeploymentSpec, canonical, fingerprint
from ring.core.model.status import Status
from ring.store import last_words, revisions, specs
from ring.store.decoding import EPOCH, member, moment, moment_text
from ring.store.mirror import RowPurged, RowPut, TombstoneDropped

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable

    from ring.store.database import Transaction

TOMBSTONE_KEPT = timedelta(days=7)


class Stored(NamedTuple):
    """As much of a row as a plan is checked against."""

    version: int
    is_deleted: bool
    last_event_at: datetime | None


def decode(row: sqlite3.Row) -> Deployment:
    """A row as it is stored; what is damaged is logged and takes its empty value."""
    spec, unreadable = specs.load(row)
    name = f"deployment {row['id']}"
    return Deployment(
        id=DeploymentId(row["id"]),
        spec=spec,
        status=Status.read(row["status"]),
        created_at=moment(row["created_at"], of=f"{name}: created_at") or EPOCH,
        updated_at=moment(row["updated_at"], of=f"{name}: updated_at"),
        parent_id=row["parent_id"],
        revision=row["revision"],
        author=row["author"],
        restart_count=row["restart_count"],
        next_create_at=moment(row["next_create_at"], of=f"{name}: next_create_at"),
        counted_death_at=moment(row["counted_death_at"], of=f"{name}: counted_death_at"),
        halt_reason=row["halt_reason"] or unreadable,
        retired_count=row["retired_count"],
        was_running=bool(row["was_running"]),
        desired_replicas=_count(row["desired_replicas"]),
        last_scaled_at=moment(row["last_scaled_at"], of=f"{name}: last_scaled_at"),
        drain_target=_count(row["drain_target"]),
        stopped=bool(row["stopped"]),
        health_restarts=_count(row["health_restarts"]) or 0,
        cause=member(Cause, row["cause"], Cause.APPLY, of=f"{name}: cause"),
        image_digest=row["image_digest"],
        password=_blob(row["password"]),
        last_event_at=moment(row["last_event_at"], of=f"{name}: last_event_at"),
        version=row["version"],
    )


def by_id(tx: Transaction, deployment_id: DeploymentId) -> Deployment | None:
    row = tx.one("deployments", "by_id", {"id": deployment_id})
    return None if row is None else decode(row)


def active(tx: Transaction, key: GroupKey) -> tuple[Deployment, ...]:
    """Rows of the group that are not deleted, oldest first."""
    found = tx.all("deployments", "active", {"namespace": key.namespace, "name": key.name})
    return tuple(decode(row) for row in found)


def next_revision(tx: Transaction, key: GroupKey) -> int:
    """One more than any row of the group has or had; 1 once the last one is purged."""
    row = tx.one("deployments", "last_revision", {"namespace": key.namespace, "name": key.name})
    return 1 if row is None or row["revision"] is None else row["revision"] + 1


def stored(tx: Transaction, deployment_id: DeploymentId) -> Stored | None:
    row = tx.one("deployments", "stored", {"id": deployment_id})
    if row is None:
        return None
    last_event_at = moment(row["last_event_at"], of=f"deployment {deployment_id}: last_event_at")
    return Stored(row["version"], row["status"] == Status.DELETED, last_event_at)


def insert(tx: Transaction, row: Deployment) -> None:
    """Raises sqlite3.IntegrityError for a second active root row of the group."""
    tx.run(
        "deployments",
        "insert",
        {
            **_engine_columns(row),
            **_spec_columns(row),
            "namespace": row.spec.namespace,
            "name": row.spec.name,
            "author": row.author,
            "cause": row.cause.value,
            "created_at": rfc3339(row.created_at),
            "last_event_at": moment_text(row.last_event_at),
        },
    )
    tx.changes.append(RowPut(row))


def update(tx: Transaction, row: Deployment) -> Deployment:
    """Everything but the spec and its revision. The row as it is now, one version on."""
    updated = replace(row, version=row.version + 1, updated_at=tx.now)
    tx.run("deployments", "update", _engine_columns(updated))
    tx.changes.append(RowPut(updated))
    return updated


def update_with_spec(tx: Transaction, row: Deployment) -> Deployment:
    """The same with spec and revision; name and namespace are the row's for ever."""
    tx.run("deployments", "update_spec", _spec_columns(row))
    return update(tx, row)


def purge(tx: Transaction, row: Deployment) -> None:
    """The row, its events and its ledger entries go; a tombstone stays for 7 days.

    With the last row of its group the revisions go, and what its instances wrote last.
    """
    tx.run("deployments", "delete", {"id": row.id})
    tx.run("deployments", "bury", {"id": row.id, "at": rfc3339(tx.now)})
    tx.changes.append(RowPurged(row.id, tx.now))
    revisions.drop_orphaned(tx, row.key)
    last_words.drop_orphaned(tx, row.key)
    expired = {"at": rfc3339(tx.now - TOMBSTONE_KEPT)}
    dropped = tx.all("deployments", "buried_before", expired)
    if dropped:
        tx.run("deployments", "forget_buried_before", expired)
        tx.changes.extend(TombstoneDropped(row["deployment_id"]) for row in dropped)


def tombstones(rows: Iterable[sqlite3.Row]) -> dict[DeploymentId, datetime]:
    """When which row was purged."""
    return {
        DeploymentId(row["deployment_id"]): moment(row["purged_at"], of="a tombstone's purged_at")
        or EPOCH
        for row in rows
    }


def is_kept(purged_at: datetime, now: datetime) -> bool:
    return now - purged_at < TOMBSTONE_KEPT


def _count(value: object) -> int | None:
    """What is no number is damage, and means nothing."""
    return value if isinstance(value, int) and value >= 0 else None


def _blob(value: object) -> bytes | None:
    """What is no blob is damage: a password that cannot be opened."""
    return value if value is None or isinstance(value, bytes) else b""


def _engine_columns(row: Deployment) -> dict[str, object]:
    return {
        "id": row.id,
        "parent_id": row.parent_id,
        "status": row.status.value,
        "restart_count": row.restart_count,
        "next_create_at": moment_text(row.next_create_at),
        "counted_death_at": moment_text(row.counted_death_at),
        "halt_reason": row.halt_reason,
        "retired_count": row.retired_count,
        "was_running": row.was_running,
        "desired_replicas": row.desired_replicas,
        "last_scaled_at": moment_text(row.last_scaled_at),
        "drain_target": row.drain_target,
        "stopped": row.stopped,
        "health_restarts": row.health_restarts,
        "image_digest": row.image_digest,
        "updated_at": moment_text(row.updated_at),
        "version": row.version,
    }


def _spec_columns(row: Deployment) -> dict[str, object]:
    spec: DeploymentSpec = row.spec
    return {
        "id": row.id,
        "kind": spec.kind,
        "runtime": spec.runtime,
        "image": spec.image,
        "replicas": spec.replicas,
        "spec": canonical(spec),
        "spec_hash": fingerprint(spec),
        "revision": row.revision,
        "password": row.password,
    }
