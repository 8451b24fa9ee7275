"""Ledger entries: what no runtime can tell of an instance."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from ring.clock import rfc3339
from ring.core.model.ids import DeploymentId, InstanceName
from ring.core.model.ledger import Entry, Phase, Why
from ring.store.decoding import EPOCH, member, moment, moment_text
from ring.store.mirror import EntryDropped, EntryPut

if TYPE_CHECKING:
    import sqlite3

    from ring.store.database import Transaction


_log = logging.getLogger(__name__)


def decode(row: sqlite3.Row) -> Entry:
    name = f"ledger entry {row['name']}"
    reason = row["reason"]
    return Entry(
        name=InstanceName(row["name"]),
        deployment_id=DeploymentId(row["deployment_id"]),
        instance_id=row["instance_id"],
        phase=member(Phase, row["phase"], Phase.LIVE, of=f"{name}: phase"),
        since=moment(row["since"], of=f"{name}: since") or EPOCH,
        reason=None if reason is None else member(Why, reason, Why.LEFTOVER, of=f"{name}: reason"),
        born=moment(row["born"], of=f"{name}: born"),
    )


def put(tx: Transaction, entry: Entry) -> None:
    """A name that is another deployment's stays that one's: somebody gave it away by hand."""
    written = tx.run(
        "ledger",
        "put",
        {
            "name": entry.name,
            "deployment_id": entry.deployment_id,
            "instance_id": entry.instance_id,
            "phase": entry.phase.value,
            "since": rfc3339(entry.since),
            "reason": None if entry.reason is None else entry.reason.value,
            "born": moment_text(entry.born),
        },
    )
    if written:
        tx.changes.append(EntryPut(entry))
    else:
        _log.warning("%s is in the ledger of another deployment; left there", entry.name)


def drop(tx: Transaction, name: InstanceName) -> None:
    """Idempotent."""
    tx.run("ledger", "drop", {"name": name})
    tx.changes.append(EntryDropped(name))
