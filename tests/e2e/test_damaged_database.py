"""A database that cannot be read: refused in one line, untouched, and no container with it."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from ring.store.migrate import available
from tests.e2e.disk import Disk

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.e2e.conftest import Tell
    from tests.e2e.ring import Ring
    from tests.e2e.story import Story

pytestmark = pytest.mark.engine

PAGE = 4096
NOISE = b"\x9d" * PAGE
SCHEMA = len(available())
RESTORE = "restore it from a backup while the server is stopped"


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    """Asked for before the servers on it, and so unmounted after they have ended."""
    with closing(Disk(tmp_path / "disk")) as made:
        yield made


def damage(path: Path, table: str) -> None:
    """The page at which a table begins becomes noise."""
    with closing(sqlite3.connect(path)) as connection:
        found = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = ?", (table,))
        (page,) = found.fetchone()
    with path.open("r+b") as file:
        file.seek((page - 1) * PAGE)
        file.write(NOISE)


def cut(path: Path) -> None:
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size // 2)


def newer(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA user_version = 99")


SPOILT: dict[str, tuple[Callable[[Path], object], str]] = {
    "garbage": (lambda path: path.write_bytes(NOISE), f"file is not a database; {RESTORE}"),
    "truncated": (cut, f"database disk image is malformed; {RESTORE}"),
    "rows": (lambda path: damage(path, "deployment"), f"it is damaged; {RESTORE}"),
    "events": (lambda path: damage(path, "deployment_event"), f"it is damaged; {RESTORE}"),
    "tokens": (lambda path: damage(path, "token"), f"it is damaged; {RESTORE}"),
    "newer": (newer, f"its schema 99 is newer than this Ring's {SCHEMA}; use a newer Ring"),
}


def refused(ring: Ring, path: Path) -> str:
    """Why the server does not start on this database."""
    answer = ring.run("server", "start", environment={"RING_DATABASE_PATH": f"{path}"})
    assert (answer.code, answer.out) == (1, ""), answer
    (line,) = [line for line in answer.err.splitlines() if " INFO " not in line]
    start = f"Refusing to start: cannot open database {path}: "
    assert start in line
    return line.partition(start)[2]


def test_a_database_that_cannot_be_read_is_refused_and_left_alone(
    story: Story, tmp_path: Path
) -> None:
    story.applied(story.worker(replicas=2))
    there = {one.id for one in story.wait_whole(2)}
    assert story.ring.stop() == 0
    good = (story.ring.home / "ring.db").read_bytes()
    for name, (spoil, reason) in SPOILT.items():
        path = tmp_path / f"{name}.db"
        path.touch(mode=0o600)
        path.write_bytes(good)
        spoil(path)
        before = path.read_bytes()
        assert before != good
        assert refused(story.ring, path) == reason
        assert path.read_bytes() == before

    folder = tmp_path / "folder.db"
    folder.mkdir(mode=0o700)
    assert refused(story.ring, folder) == "Is a directory; name a file, not a directory"
    assert list(folder.iterdir()) == []
    assert refused(story.ring, tmp_path / "absent" / "ring.db") == (
        "No such file or directory; make the directory of the database first"
    )

    story.ring.start()
    assert {one.id for one in story.wait_whole(2)} == there
    assert story.created() == 2


def test_a_read_only_file_system_is_named(disk: Disk, tell: Tell) -> None:
    path = disk.root / "ring.db"
    story = tell(environment={"RING_DATABASE_PATH": f"{path}"})
    story.applied(story.worker())
    (only,) = story.wait_whole(1)
    assert story.ring.stop() == 0
    before = path.read_bytes()
    disk.make_read_only()
    assert refused(story.ring, path) == (
        "Read-only file system; make the database and its directory writable for the server"
    )
    assert path.read_bytes() == before
    disk.make_writable()
    story.ring.start()
    assert [one.id for one in story.wait_whole(1)] == [only.id]


def test_a_page_that_is_damaged_while_the_server_runs_costs_what_is_on_it(story: Story) -> None:
    path = story.ring.home / "ring.db"
    story.applied(story.worker(replicas=2))
    there = {one.id for one in story.wait_whole(2)}
    assert story.ring.stop() == 0  # what is in the log goes into the database
    story.ring.start()
    damage_in_place(path, "deployment_event")
    where = f"{story.namespace}/web"
    answer = story.ring.run("deployment", "events", where)
    assert (answer.code, answer.out) == (1, "")
    assert answer.err == (
        f"error: deployment '{where}': request failed (500): "
        f"cannot read the database: database disk image is malformed; {RESTORE}\n"
    )
    assert story.status() == "running"
    answer = story.ring.run("deployment", "list")
    assert (answer.code, answer.err) == (0, ""), answer
    assert {one.id for one in story.docker.running(story.namespace)} == there
    assert story.ring.stop() == 0
    log = story.ring.log.read_text()
    assert "Traceback" not in log
    assert log.count("database disk image is malformed") == 1
    assert "it is damaged" in refused(story.ring, path)
    assert {one.id for one in story.docker.running(story.namespace)} == there


def damage_in_place(path: Path, table: str) -> None:
    """Without opening the database as SQLite does: a server is at work on it."""
    uri = f"{path.as_uri()}?mode=ro&immutable=1"
    with closing(sqlite3.connect(uri, uri=True)) as connection:
        found = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = ?", (table,))
        (page,) = found.fetchone()
    descriptor = os.open(path, os.O_WRONLY)
    os.pwrite(descriptor, NOISE, (page - 1) * PAGE)
    os.close(descriptor)
