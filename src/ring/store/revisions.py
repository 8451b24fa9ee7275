"""What each deployment was asked to be: numbered specs, as many as are kept, until it is gone."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, NamedTuple

from pydantic import ValidationError

from ring.clock import rfc3339
from ring.core.model.ids import DeploymentId
from ring.core.model.revision import Cause, Revision
from ring.core.model.spec import DeploymentSpec, canonical, fingerprint
from ring.store.decoding import EPOCH, member, moment, moment_text

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    from ring.core.model.deployment import Deployment
    from ring.core.model.ids import GroupKey
    from ring.store.database import Transaction
    from ring.store.door import Door

_log = logging.getLogger(__name__)


class Kept(NamedTuple):
    """A revision with the name of who made it: None for the engine, and for users that are gone."""

    revision: Revision
    username: str | None


class Revisions:
    def __init__(self, door: Door) -> None:
        self._door = door

    def stored(self, key: GroupKey) -> Sequence[sqlite3.Row]:
        """Newest first, as they are stored: `read` makes sense of them, on any thread."""
        return self._door.read("revisions", "of_group", _named(key))


def read(rows: Sequence[sqlite3.Row]) -> tuple[Kept, ...]:
    """Those that can be read. Takes about 50 µs each, and more for long specs."""
    read = ((decode(row), row["username"]) for row in rows)
    return tuple(Kept(revision, username) for revision, username in read if revision is not None)


def add(
    tx: Transaction,
    row: Deployment,
    *,
    author: str | None,
    cause: Cause,
    ready_at: datetime | None = None,
) -> None:
    """The row's present spec as its revision; the oldest ones make room.

    The way back stays: however often it was scaled or restarted since, what differs is kept.
    """
    tx.run(
        "revisions",
        "insert",
        {
            **_named(row.key),
            "revision": row.revision,
            "deployment_id": row.id,
            "spec": canonical(row.spec),
            "password": row.password,
            "author": author,
            "cause": cause.value,
            "created_at": rfc3339(tx.now),
            "ready_at": moment_text(ready_at),
        },
    )
    good = last_good(tx, row)
    limits = {"kept": tx.revisions_kept, "good": None if good is None else good.number}
    tx.run("revisions", "prune", {**_named(row.key), **limits})


def find(tx: Transaction, key: GroupKey, number: int) -> Revision | None:
    """None also where it cannot be read."""
    row = tx.one("revisions", "by_number", {**_named(key), "revision": number})
    return None if row is None else decode(row)


def last_good(tx: Transaction, row: Deployment) -> Revision | None:
    """The newest before the row's that was ready and means something else than its spec."""
    meant = fingerprint(row.spec)
    return next(
        (each for each in _ready_below(tx, row) if fingerprint(each.spec) != meant),
        None,
    )


def remade(revision: Revision, row: Deployment) -> DeploymentSpec:
    """Its spec for a row in the place of this one: whose manifest that is now says what `apply
    --prune` may delete."""
    return revision.spec.model_copy(update={"manifest": row.spec.manifest})


def mark_ready(tx: Transaction, row: Deployment) -> None:
    """The row's revision has been running, since now."""
    values = {**_named(row.key), "revision": row.revision, "at": rfc3339(tx.now)}
    tx.run("revisions", "mark_ready", values)


def drop_orphaned(tx: Transaction, key: GroupKey) -> None:
    """Unless a row of the group is left."""
    tx.run("revisions", "drop_orphaned", _named(key))


def decode(row: sqlite3.Row) -> Revision | None:
    """None where the spec cannot be read: nothing could be made of it."""
    name = f"revision {row['revision']} of {row['namespace']}/{row['name']}"
    try:
        spec = DeploymentSpec.model_validate_json(row["spec"])
    except ValidationError:  # it quotes values, which may be credentials
        _log.warning("%s: its stored spec cannot be read; it is left out", name)
        return None
    return Revision(
        number=row["revision"],
        deployment_id=DeploymentId(row["deployment_id"]),
        spec=spec,
        created_at=moment(row["created_at"], of=f"{name}: created_at") or EPOCH,
        author=row["author"],
        cause=member(Cause, row["cause"], Cause.APPLY, of=f"{name}: cause"),
        ready_at=moment(row["ready_at"], of=f"{name}: ready_at"),
        password=row["password"] if isinstance(row["password"], bytes) else None,
    )


def _ready_below(tx: Transaction, row: Deployment) -> Iterator[Revision]:
    found = tx.all("revisions", "ready_below", {**_named(row.key), "revision": row.revision})
    return (each for each in map(decode, found) if each is not None)


def _named(key: GroupKey) -> dict[str, object]:
    return {"namespace": key.namespace, "name": key.name}
