"""Forward-only migrations: `NNN_<what>.sql`, each one transaction with the version it leads to."""

from __future__ import annotations

import sqlite3
from importlib.resources import files

from ring.core.errors import HostError
from ring.store import migrations


def available() -> tuple[tuple[int, str], ...]:
    """Version and SQL text of every migration, in order."""
    scripts = [entry for entry in files(migrations).iterdir() if entry.name.endswith(".sql")]
    return tuple(
        sorted((int(entry.name.split("_", 1)[0]), entry.read_text("utf-8")) for entry in scripts)
    )


def expect_known(connection: sqlite3.Connection, steps: tuple[tuple[int, str], ...]) -> int:
    """The last step that the database has. Raises HostError if it is newer than all of these."""
    present: int = connection.execute("PRAGMA user_version").fetchone()[0]
    if present > steps[-1][0]:
        raise HostError(
            f"its schema {present} is newer than this Ring's {steps[-1][0]}; use a newer Ring"
        )
    return present


def migrate(connection: sqlite3.Connection, steps: tuple[tuple[int, str], ...]) -> None:
    """Runs the steps that are not in the database yet. A kill leaves whole steps only.

    Raises HostError if the database is newer than the last step.
    """
    present = expect_known(connection, steps)
    for version, script in steps:
        if version <= present:
            continue
        try:
            connection.executescript(
                f"BEGIN IMMEDIATE;\n{script}\nPRAGMA user_version = {version};\nCOMMIT;"
            )
        except sqlite3.Error:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise
