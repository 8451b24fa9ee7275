"""Migrations: forward, once, whole."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from ring.core.errors import HostError
from ring.store.migrate import available, migrate
from ring.store.store import Store
from tests.store.builders import ManualClock, done, sql

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

FIRST = (1, "CREATE TABLE one (x); INSERT INTO one VALUES (1);")
SECOND = (2, "CREATE TABLE two (x);")


@pytest.fixture
def connection() -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as opened:
        yield opened


def tables(connection: sqlite3.Connection) -> list[str]:
    found = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")
    return [row[0] for row in found]


def version(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def test_versions_count_up_from_one() -> None:
    assert [step[0] for step in available()] == list(range(1, len(available()) + 1))


def test_each_step_runs_once(connection: sqlite3.Connection) -> None:
    migrate(connection, (FIRST,))
    migrate(connection, (FIRST,))
    migrate(connection, (FIRST, SECOND))
    assert tables(connection) == ["one", "two"]
    assert connection.execute("SELECT count(*) FROM one").fetchone() == (1,)
    assert version(connection) == 2


def test_a_step_that_fails_leaves_the_one_before(connection: sqlite3.Connection) -> None:
    broken = (2, "CREATE TABLE two (x); INSERT INTO nowhere VALUES (1);")
    with pytest.raises(sqlite3.OperationalError, match="nowhere"):
        migrate(connection, (FIRST, broken))
    assert tables(connection) == ["one"]
    assert version(connection) == 1
    assert not connection.in_transaction
    migrate(connection, (FIRST, SECOND))
    assert tables(connection) == ["one", "two"]


def test_a_kill_within_a_step_leaves_the_one_before(tmp_path: Path) -> None:
    path = tmp_path / "ring.db"
    program = (
        "import os, signal, sqlite3, sys\n"
        "from ring.store.migrate import migrate\n"
        "connection = sqlite3.connect(sys.argv[1], isolation_level=None)\n"
        "connection.execute('PRAGMA journal_mode = WAL')\n"
        "connection.create_function('die', 0, lambda: os.kill(os.getpid(), signal.SIGKILL))\n"
        "migrate(connection, ((1, sys.argv[2]), (2, 'CREATE TABLE two (x); SELECT die();')))\n"
    )
    ended = subprocess.run(
        [sys.executable, "-c", program, str(path), FIRST[1]], check=False, timeout=60
    )
    assert ended.returncode == -9
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        assert tables(connection) == ["one"]
        assert version(connection) == 1
        migrate(connection, (FIRST, SECOND))
        assert tables(connection) == ["one", "two"]


def test_a_database_of_a_newer_ring_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "ring.db"
    store = Store.open(path, ManualClock(), inline=True)
    sql(store, "PRAGMA user_version = 99")
    done(store.close())
    with pytest.raises(HostError, match=rf"cannot open database {path}: its schema 99 is newer"):
        Store.open(path, ManualClock())


STEP = """
CREATE TABLE step# (x INTEGER, y TEXT);
INSERT INTO step# SELECT value, hex(zeroblob(200)) FROM generate;
UPDATE kept SET y = y + 1;
CREATE INDEX by# ON step# (y);
ALTER TABLE kept ADD COLUMN added# INTEGER DEFAULT #;
"""
LONG = tuple((number, STEP.replace("#", f"{number}")) for number in range(2, 8))
"""Each one makes, fills, changes and alters tables; any of it done by half or twice would show."""

KILLED = """
import json, os, signal, sqlite3, sys
from ring.store.migrate import migrate
left, steps = int(sys.argv[2]), json.load(sys.stdin)
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
def tick():
    global left
    left -= 1
    if left <= 0:
        os.kill(os.getpid(), signal.SIGKILL)
    return 0
connection.set_progress_handler(tick, 100)
migrate(connection, tuple(map(tuple, steps)))
"""


def test_killed_at_any_point_each_start_goes_on_and_loses_nothing(tmp_path: Path) -> None:
    path = tmp_path / "ring.db"
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.executescript(
            "CREATE TABLE kept (x INTEGER, y INTEGER); INSERT INTO kept VALUES (1, 0), (2, 0);"
            "CREATE TABLE generate (value INTEGER);"
            "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 300)"
            " INSERT INTO generate SELECT i FROM n; PRAGMA user_version = 1;"
        )
    reached, kills = [1], 0
    for ticks in range(5, 400, 9):
        ended = subprocess.run(
            [sys.executable, "-c", KILLED, str(path), str(ticks)],
            input=json.dumps(LONG),
            text=True,
            check=False,
            timeout=60,
        )
        with closing(sqlite3.connect(path, isolation_level=None)) as connection:
            reached.append(version(connection))
            expect_whole_steps(connection)
        if ended.returncode == 0:
            break
        assert ended.returncode == -9
        kills += 1
    assert reached == sorted(reached)
    assert reached[-1] == LONG[-1][0]
    assert kills >= 8
    assert len(set(reached)) >= 4


def expect_whole_steps(connection: sqlite3.Connection) -> None:
    """All of the steps up to the database's version, once each, and nothing of a later one."""
    last = version(connection)
    steps = range(2, last + 1)
    assert tables(connection) == ["generate", "kept", *(f"step{one}" for one in steps)]
    assert connection.execute("SELECT x, y FROM kept").fetchall() == [
        (1, last - 1),
        (2, last - 1),
    ]
    columns = [row[1] for row in connection.execute("PRAGMA table_info(kept)")]
    assert columns == ["x", "y", *(f"added{one}" for one in steps)]
    for one in steps:
        assert connection.execute(f"SELECT count(*) FROM step{one}").fetchone() == (300,)  # noqa: S608 - a number
    assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
