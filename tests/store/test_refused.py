"""Databases that cannot be used are refused in one line, and stay as they are."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from ring.core.errors import HostError
from ring.store import database
from ring.store.store import Store
from ring.store.trouble import StoreError, explained
from tests.store.builders import MIRA, ManualClock, done, event, spec, sql

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

NOISE = b"\x9d" * 4096


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A database with a row and enough events for several pages."""
    made = tmp_path / "ring.db"
    store = Store.open(made, ManualClock(), inline=True)
    row = done(store.accept(spec(), MIRA)).deployment
    done(store.record([event(row.id, message=f"{n}" + "x" * 500) for n in range(100)]))
    done(store.close())
    return made


def root_page(path: Path, table: str) -> int:
    with closing(sqlite3.connect(path)) as connection:
        found = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = ?", (table,))
        return int(found.fetchone()[0])


def damage(path: Path, table: str) -> None:
    overwrite(path, root_page(path, table))


def overwrite(path: Path, page: int) -> None:
    with path.open("r+b") as file:
        file.seek((page - 1) * len(NOISE))
        file.write(NOISE)


def garbage(path: Path) -> None:
    path.write_bytes(NOISE)


def truncated(path: Path) -> None:
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size // 2)


def cut_within_the_header(path: Path) -> None:
    with path.open("r+b") as file:
        file.truncate(60)


def of_a_newer_ring(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA user_version = 99")


def damaged_rows(path: Path) -> None:
    damage(path, "deployment")


def damaged_events(path: Path) -> None:
    damage(path, "deployment_event")


def refusal(path: Path) -> str:
    with pytest.raises(HostError) as refused:
        Store.open(path, ManualClock(), inline=True)
    start = f"cannot open database {path}: "
    assert refused.value.message.startswith(start)
    assert "\n" not in refused.value.message
    return refused.value.message.removeprefix(start)


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (garbage, "file is not a database; restore it from a backup"),
        (cut_within_the_header, "database disk image is malformed; restore it from a backup"),
        (truncated, "database disk image is malformed; restore it from a backup"),
        (damaged_rows, "it is damaged; restore it from a backup"),
        (damaged_events, "it is damaged; restore it from a backup"),
        (of_a_newer_ring, "its schema 99 is newer than this Ring's"),
    ],
)
def test_a_refused_database_is_left_as_it_is(
    path: Path, spoil: Callable[[Path], None], reason: str
) -> None:
    spoil(path)
    before = path.read_bytes()
    assert refusal(path).startswith(reason)
    assert refusal(path).startswith(reason)
    assert path.read_bytes() == before


def test_what_a_killed_server_left_in_its_log_is_not_put_into_a_refused_one(
    path: Path, tmp_path: Path
) -> None:
    store = Store.open(path, ManualClock(), inline=True)
    done(store.create_namespace("later", MIRA))
    killed = tmp_path / "killed"
    killed.mkdir()
    for name in ("ring.db", "ring.db-wal", "ring.db-shm"):
        shutil.copy(path.with_name(name), killed)
    done(store.close())
    left = killed / "ring.db"
    log = left.with_name("ring.db-wal").read_bytes()
    assert log

    overwrite(left, root_page(path, "deployment_event"))
    before = left.read_bytes()
    assert refusal(left).startswith("it is damaged; ")
    assert left.read_bytes() == before
    assert left.with_name("ring.db-wal").read_bytes() == log


def test_a_large_one_is_refused_by_what_is_read_of_it(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "_LOOKED_THROUGH_BYTES", 0)
    damage(path, "deployment")
    before = path.read_bytes()
    assert "malformed; restore it from a backup" in refusal(path)
    assert path.read_bytes() == before


def test_a_directory_in_its_place_is_named(tmp_path: Path) -> None:
    assert refusal(tmp_path) == "Is a directory; name a file, not a directory"


def test_damage_that_is_found_later_is_an_error_of_this_machine(path: Path) -> None:
    store = Store.open(path, ManualClock(), inline=True)
    damage(path, "deployment_event")
    for connection in (store._database._reader, store._database._writer):
        connection.execute("PRAGMA shrink_memory")
    with pytest.raises(StoreError, match=r"cannot read the database: .*; restore it from"):
        store.events(store.deployments()[0].id, level=None, limit=1)
    assert [one.spec.name for one in store.deployments()] == ["web"]
    done(store.close())


def test_what_is_not_known_is_told_as_it_is() -> None:
    assert explained(sqlite3.OperationalError("odd")) == "odd"
    assert explained(OSError("odd")) == "odd"
    assert explained(OSError(5, "whatever")) == "Input/output error"


def test_a_full_disk_is_told_with_the_way_out(path: Path) -> None:
    store = Store.open(path, ManualClock(), inline=True)
    sql(store, f"PRAGMA max_page_count = {sql(store, 'PRAGMA page_count')[0][0]}")
    rows = [event(store.deployments()[0].id, message="y" * 9000) for _ in range(9)]
    with pytest.raises(StoreError) as failed:
        done(store.record(rows))
    assert failed.value.message == (
        "cannot write the database: database or disk is full; "
        "free space on the file system of the database"
    )
    done(store.close())
