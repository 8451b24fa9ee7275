"""What a server knows of, for telling what belongs to nothing any more; also beside the server."""

from __future__ import annotations

import contextlib
import sqlite3
from typing import TYPE_CHECKING

from ring.core.errors import HostError
from ring.core.orphans import Known
from ring.store.migrate import available, expect_known
from ring.store.queries import query
from ring.store.trouble import explained

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from ring.store.door import Door

_PATIENCE_S = 2.0


def known(door: Door) -> Known:
    """Of the server that has the database open. Raises StoreError."""
    return _known(door.read)


def peek(path: Path) -> Known | None:
    """Of a database that somebody else may have open: it is read, and nothing else. None: it has
    no server yet. Raises HostError."""
    uri = f"{path.resolve().as_uri()}?mode=ro"
    try:
        with contextlib.closing(sqlite3.connect(uri, uri=True, timeout=_PATIENCE_S)) as looker:
            looker.row_factory = sqlite3.Row
            steps = available()
            if expect_known(looker, steps) < steps[-1][0]:
                return None  # of an older Ring: the next start migrates it
            looker.execute("BEGIN")  # one moment for all of it
            return _known(lambda noun, name: looker.execute(query(noun, name)).fetchall())
    except sqlite3.Error as error:
        raise HostError(f"cannot read database {path}: {explained(error)}") from error


def _known(read: Callable[[str, str], Sequence[sqlite3.Row]]) -> Known:
    rows = read("orphans", "deployments")
    return Known(
        server_id=next((str(row["value"]) for row in read("orphans", "server")), ""),
        deployments=frozenset(row["id"] for row in rows),
        purged=frozenset(row["deployment_id"] for row in read("orphans", "tombstones")),
        namespaces=frozenset(row["namespace"] for row in rows),
        volumes=frozenset((row["namespace"], row["name"]) for row in read("orphans", "volumes")),
    )
