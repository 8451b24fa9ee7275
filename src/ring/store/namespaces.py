"""Namespaces."""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING

from ring.clock import rfc3339
from ring.core.errors import Conflict, Denied, NotFound
from ring.store import audit
from ring.store.decoding import EPOCH, moment
from ring.store.records import Author, Namespace

if TYPE_CHECKING:
    from ring.store.database import Transaction


def decode(row: sqlite3.Row) -> Namespace:
    name = f"namespace {row['name']}"
    return Namespace(
        id=row["id"],
        name=row["name"],
        created_at=moment(row["created_at"], of=f"{name}: created_at") or EPOCH,
        updated_at=moment(row["updated_at"], of=f"{name}: updated_at"),
    )


def create(tx: Transaction, name: str, author: Author) -> Namespace:
    """With its audit entry. Raises Conflict."""
    made = Namespace(id=tx.new_id(), name=name, created_at=tx.now, updated_at=None)
    values = {"id": made.id, "name": name, "created_at": rfc3339(tx.now)}
    try:
        tx.run("namespaces", "insert", values)
    except sqlite3.IntegrityError as error:
        raise Conflict(f"namespace '{name}' already exists") from error
    audit.record(tx, author.user_id, "create", audit.Target("namespace", name, namespace=name))
    return made


def ensure(tx: Transaction, name: str, author: Author) -> None:
    """Makes it if it is missing and the author may. Raises Denied."""
    if tx.one("namespaces", "by_name", {"name": name}) is not None:
        return
    if not author.may_create_namespace:
        raise Denied(
            f"token may not create namespace '{name}': that needs scope 'namespaces:write',"
            " or a token bound to that namespace by name"
        )
    create(tx, name, author)


def expect(tx: Transaction, name: str) -> None:
    """Raises NotFound where there is no such namespace."""
    if tx.one("namespaces", "by_name", {"name": name}) is None:
        raise NotFound(f"namespace '{name}' does not exist")


def delete(tx: Transaction, namespace: Namespace, author: Author) -> None:
    """With its volume rows and its audit trail; one entry is left. Raises NotFound, Conflict."""
    row = tx.one("namespaces", "by_id", {"id": namespace.id})
    if row is None:
        raise NotFound(f"namespace '{namespace.name}' not found")
    name = {"name": namespace.name}
    held = tx.one("namespaces", "held", name)
    if held is not None and held["remaining"]:
        raise Conflict(
            "namespace is not empty",
            extra={
                "remaining": held["remaining"],
                "hint": "Delete its deployments, secrets and configs first",
            },
        )
    tx.run("namespaces", "drop_volumes", name)
    tx.run("namespaces", "delete", {"id": namespace.id})
    audit.purge_namespace(tx, namespace.name)
    target = audit.Target("namespace", namespace.name, namespace=namespace.name)
    audit.record(tx, author.user_id, "delete", target)
