"""Where a server was started once, and somebody logged in: what others begin with a copy of.

To make a database with its first account and to log in takes a server longer than to start again,
and few stories are about it. Those, and what tests first starts, begin with nothing.
"""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

from argon2 import PasswordHasher

from tests.e2e.ring import PASSWORD, Ring

if TYPE_CHECKING:
    from pathlib import Path

DATABASE = "ring.db"
LOGIN = "auth.json"
READY_S = 120.0
"""However busy the machine is: many tests need it, and none looks at it."""

_QUICK = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
"""Everywhere else a password costs a tenth of a second each time, by intention."""


def lived_in(home: Path, docker_host: str) -> Path:
    """The home of a server that has ended, with a logged-in client.

    Its database has no server id: each server that begins with a copy draws its own.
    """
    ring = Ring(home, docker_host)
    try:
        ring.start(READY_S)
        ring.login()
        ring.stop()
    finally:
        ring.kill()
    with closing(sqlite3.connect(home / DATABASE)) as connection, connection:
        connection.execute("DELETE FROM meta WHERE key = 'server_id'")
        connection.execute("UPDATE user SET password = ?", (_QUICK.hash(PASSWORD),))
    return home


def move_in(ring: Ring, home: Path) -> None:
    """A server that was not started yet begins with a copy of another's home."""
    for name in (DATABASE, LOGIN):
        shutil.copy(home / name, ring.home)
