"""Other programs that look into a live database: they come and go, and nothing is lost."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from ring.store.store import Store
from tests.store.builders import WEB, ManualClock, done, sql

LOCKS = Path("/proc/locks")

VISITOR = """
import contextlib, sqlite3, sys
with contextlib.closing(sqlite3.connect(sys.argv[1])) as connection:
    print(connection.execute("SELECT count(*) FROM deployment").fetchone()[0])
"""

SERVER = """
import asyncio, os, pathlib, sys
from dataclasses import replace
from ring.core.plan.view import Plan, RowChange
from ring.store.store import Store
from tests.store.builders import MIRA, ManualClock, current, spec

async def main():
    store = Store.open(pathlib.Path(sys.argv[1]), ManualClock())
    row = (await store.accept(spec(), MIRA)).deployment
    for count in range(1, 4):
        print(count, flush=True)
        sys.stdin.readline()
        row = current(store, row)
        assert await store.commit(Plan(rows=(RowChange(row, replace(row, restart_count=count)),)))
    os._exit(9)

asyncio.run(main())
"""


def visit(path: Path) -> str:
    return subprocess.run(
        [sys.executable, "-c", VISITOR, str(path)], capture_output=True, text=True, check=True
    ).stdout


def test_commits_survive_visitors_and_a_kill(tmp_path: Path) -> None:
    path = tmp_path / "ring.db"
    wal = tmp_path / "ring.db-wal"
    with subprocess.Popen(
        [sys.executable, "-c", SERVER, str(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as server:
        assert server.stdin is not None
        assert server.stdout is not None
        for count in ("1\n", "2\n", "3\n"):
            assert server.stdout.readline() == count
            before = wal.stat().st_ino
            assert visit(path) == "1\n"
            assert wal.stat().st_ino == before
            server.stdin.write("\n")
            server.stdin.flush()
        assert server.wait() == 9

    store = Store.open(path, ManualClock(), inline=True)
    (row,) = store.rows(WEB)
    assert row.restart_count == 3
    assert sql(store, "PRAGMA integrity_check")[0][0] == "ok"
    done(store.close())


@pytest.mark.skipif(not LOCKS.exists(), reason="only Linux lists the locks of its files")
@pytest.mark.parametrize("inline", [True, False])
def test_an_open_database_is_locked(tmp_path: Path, inline: bool) -> None:
    path = tmp_path / "ring.db"
    store = Store.open(path, ManualClock(), inline=inline)
    assert {("POSIX", "READ"), ("FLOCK", "WRITE")} <= held(path)
    assert held(tmp_path / "ring.db.lock") == {("FLOCK", "WRITE")}
    database = store._database
    database.read("deployments", "all")
    database.disconnect()
    assert held(path) == {("FLOCK", "WRITE")}
    done(store.close())
    assert held(path) == set()


def held(path: Path) -> set[tuple[str, str]]:
    """Kind and mode of this process's locks on a file."""
    inode = path.stat().st_ino
    lines = [line.split() for line in LOCKS.read_text().splitlines()]
    return {
        (line[1], line[3])
        for line in lines
        if line[4] == str(os.getpid()) and line[5].endswith(f":{inode}")
    }


def test_the_file_is_created_for_its_owner_before_sqlite_sees_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[str] = []
    os_open, connect = os.open, sqlite3.connect

    def opening(path: str | Path, flags: int, mode: int = 0o777) -> int:
        opened.append(f"open {Path(path).name}")
        return os_open(path, flags, mode)

    def connecting(path: str | Path, **options: object) -> sqlite3.Connection:
        opened.append(f"connect {Path(path).name}")
        return connect(path, **options)  # type: ignore[call-overload,no-any-return] # passed through

    monkeypatch.setattr(os, "open", opening)
    monkeypatch.setattr(sqlite3, "connect", connecting)
    done(Store.open(tmp_path / "ring.db", ManualClock(), inline=True).close())
    assert opened == [
        "open ring.db.lock",
        "open ring.db",
        "connect ring.db?mode=ro",
        "connect ring.db",
        "connect ring.db",
    ]
