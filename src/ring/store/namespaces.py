"""Namespaces."""

from __future__ import annotations

import json
import logging
import sqlite3
from dataclasses import replace
from typing import TYPE_CHECKING

from ring.clock import rfc3339
from ring.core import namespace_network
from ring.core.errors import Conflict, Denied, NotFound
from ring.core.namespace_network import UNSET
from ring.store import audit, last_words
from ring.store.decoding import EPOCH, json_value, moment
from ring.store.records import Author, Namespace

if TYPE_CHECKING:
    from ring.core.namespace_network import NamespaceNetwork
    from ring.store.database import Transaction

_log = logging.getLogger(__name__)


def decode(row: sqlite3.Row) -> Namespace:
    name = f"namespace {row['name']}"
    return Namespace(
        id=row["id"],
        name=row["name"],
        created_at=moment(row["created_at"], of=f"{name}: created_at") or EPOCH,
        updated_at=moment(row["updated_at"], of=f"{name}: updated_at"),
        network=_network(row["network"], of=name),
    )


def create(
    tx: Transaction, name: str, author: Author, network: NamespaceNetwork = UNSET
) -> Namespace:
    """With its audit entry. Raises Conflict."""
    made = Namespace(tx.new_id(), name, created_at=tx.now, updated_at=None, network=network)
    values = {
        "id": made.id,
        "name": name,
        "created_at": rfc3339(tx.now),
        "network": _text(network),
    }
    try:
        tx.run("namespaces", "insert", values)
    except sqlite3.IntegrityError as error:
        raise Conflict(f"namespace '{name}' already exists") from error
    audit.record(tx, author.user_id, "create", audit.Target("namespace", name, namespace=name))
    return made


def ensure(tx: Transaction, name: str, author: Author) -> None:
    """Makes it if it is missing and the author may. Raises Denied."""
    if not expect_makeable(tx, name, author):
        create(tx, name, author)


def expect_makeable(tx: Transaction, name: str, author: Author) -> bool:
    """Whether it is there already. Raises Denied where it is not and the author may not make it."""
    if tx.one("namespaces", "by_name", {"name": name}) is not None:
        return True
    if not author.may_create_namespace:
        raise Denied(
            f"token may not create namespace '{name}': that needs scope 'namespaces:write',"
            " or a token bound to that namespace by name"
        )
    return False


def expect(tx: Transaction, name: str) -> None:
    """Raises NotFound where there is no such namespace."""
    if tx.one("namespaces", "by_name", {"name": name}) is None:
        raise NotFound(f"namespace '{name}' does not exist")


def set_network(
    tx: Transaction, namespace: Namespace, network: NamespaceNetwork, author: Author
) -> Namespace:
    """With its audit entry, unless these are its settings already. Raises NotFound."""
    row = tx.one("namespaces", "by_id", {"id": namespace.id})
    if row is None:
        raise NotFound(f"namespace '{namespace.name}' not found")
    found = decode(row)
    if found.network == network:
        return found
    values = {"id": found.id, "network": _text(network), "at": rfc3339(tx.now)}
    tx.run("namespaces", "set_network", values)
    target = audit.Target("namespace", found.name, namespace=found.name)
    audit.record(tx, author.user_id, "network", target)
    return replace(found, network=network, updated_at=tx.now)


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
    tx.run("namespaces", "drop_revisions", name)
    last_words.drop_namespace(tx, namespace.name)
    tx.run("namespaces", "delete", {"id": namespace.id})
    audit.purge_namespace(tx, namespace.name)
    target = audit.Target("namespace", namespace.name, namespace=namespace.name)
    audit.record(tx, author.user_id, "delete", target)


def _text(network: NamespaceNetwork) -> str | None:
    return None if network == UNSET else json.dumps(network.written())


def _network(text: object, *, of: str) -> NamespaceNetwork:
    """Damage is logged: its deployments are as if nothing were set."""
    if text is None:
        return UNSET
    try:
        settings = json_value(text)
    except ValueError:
        settings = None
    if isinstance(settings, dict) and not any(namespace_network.violations(settings)):
        return namespace_network.read(settings)
    _log.warning("%s: network cannot be read; it is taken as unset", of)
    return UNSET
