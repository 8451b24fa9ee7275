"""The database file as it lies there, read without the server and without touching it."""

from __future__ import annotations

import shutil
import sqlite3
import tempfile
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Records:
    """What is durable."""

    rows: list[Row]
    ledger: list[Row]
    events: list[Row]
    tombstones: set[str]
    integrity: str

    def active(self) -> list[Row]:
        return [row for row in self.rows if row["status"] != "deleted"]

    def reasons(self, deployment_id: str) -> list[str]:
        """Of the row's events, oldest first."""
        return [one["reason"] for one in self.events if one["deployment_id"] == deployment_id]


def read(database: Path, mode: str = "ro") -> Records:
    """Also while a server runs: what is committed."""
    with closing(sqlite3.connect(f"file:{database}?mode={mode}", uri=True)) as connection:
        connection.row_factory = sqlite3.Row

        def table(query: str) -> list[Row]:
            return [dict(row) for row in connection.execute(query)]

        return Records(
            rows=table("SELECT * FROM deployment ORDER BY seq"),
            ledger=table("SELECT * FROM instance ORDER BY seq"),
            events=table("SELECT * FROM deployment_event ORDER BY seq"),
            tombstones={row["deployment_id"] for row in table("SELECT * FROM tombstone")},
            integrity=str(connection.execute("PRAGMA integrity_check").fetchone()[0]),
        )


def left_behind(database: Path) -> Records:
    """By a server that was killed. Of a copy: whoever opens it first recovers the log."""
    with tempfile.TemporaryDirectory() as folder:
        for suffix in ("", "-wal"):
            part = Path(f"{database}{suffix}")
            if part.exists():
                shutil.copy(part, folder)
        return read(Path(folder) / database.name, mode="rw")
