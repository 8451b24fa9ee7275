"""A full disk under the database: nothing new is accepted, nothing is lost, and it heals itself."""

from __future__ import annotations

import time
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from tests.e2e.disk import Disk
from tests.e2e.polling import wait_until
from tests.e2e.ring import PASSWORD

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.e2e.conftest import MakeRing, Tell
    from tests.e2e.story import Story

pytestmark = pytest.mark.engine

FULL = (
    "cannot write the database: database or disk is full; "
    "free space on the file system of the database"
)
NAMES = [f"app{number}" for number in range(5)]


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    """Asked for before the servers on it, and so unmounted after they have ended."""
    with closing(Disk(tmp_path / "disk")) as made:
        yield made


def on(disk: Disk) -> dict[str, str]:
    return {"RING_DATABASE_PATH": f"{disk.root}/ring.db"}


def outage_lines(story: Story) -> list[str]:
    return [line for line in story.ring.log.read_text().splitlines() if "cannot store" in line]


def test_what_is_refused_is_told_and_all_else_goes_on(disk: Disk, tell: Tell) -> None:
    story = tell(environment=on(disk))
    story.applied(*(story.worker(name) for name in NAMES))
    before = {name: story.wait_whole(1, name)[0].id for name in NAMES}
    disk.fill()

    # what changes something
    answer = story.apply(story.worker("other", environment={"A": "x" * 9000}))
    assert answer.code == 1
    assert answer.err.count(FULL) == 1
    assert answer.err.splitlines()[:2] == [
        "Unable to apply deployment 'other': Internal Server Error (500)",
        f"  {FULL}",
    ]
    wanted = f"{story.namespace}/app0"
    answer = story.ring.run("deployment", "delete", wanted)
    assert (answer.code, answer.out) == (1, "")
    assert answer.err == f"error: deployment '{wanted}': request failed (500): {FULL}\n"
    answer = story.ring.run("login", "-u", "admin", "--password-stdin", stdin=PASSWORD)
    assert (answer.code, answer.out) == (1, "")
    assert answer.err == f"Login failed: Internal Server Error (500)\n  {FULL}\n"

    # what reads
    for words in (("list",), ("inspect", wanted), ("events", wanted), ("logs", wanted)):
        answer = story.ring.run("deployment", *words)
        assert (answer.code, answer.err) == (0, ""), answer
    assert {one.id for one in story.docker.running(story.namespace)} == set(before.values())

    # what crashes meanwhile is healed afterwards, and counted once
    for one in before.values():
        story.crash(one)
    wait_until(lambda: not story.docker.running(story.namespace), 10, "all have died")
    wait_until(lambda: outage_lines(story), 10, "the server says why it cannot go on")
    assert {story.status(name) for name in NAMES} == {"running"}
    disk.free()
    for name in NAMES:
        (after,) = story.wait_whole(1, name)
        assert after.id != before[name]
        assert story.created(name) == 2
        (told,) = story.told("container_crashed", name)
        assert "(restart count 1 of " in told.message
    wait_until(
        lambda: [len(story.told("container_died", name)) for name in NAMES] == [1] * len(NAMES),
        10,
        "the events were kept",
    )
    assert len(outage_lines(story)) == 1
    assert FULL in outage_lines(story)[0]
    log = story.ring.log.read_text()
    assert log.count("the database can be written again") == 1
    assert "Traceback" not in log
    assert f"{disk.root}" not in log
    story.applied(story.worker("other"))
    story.wait_whole(1, "other")


def test_a_server_that_ends_and_starts_on_a_full_disk_loses_nothing(disk: Disk, tell: Tell) -> None:
    story = tell(environment=on(disk))
    story.applied(story.worker(replicas=2))
    kept, crashed = (one.id for one in story.wait_whole(2))
    row = story.row()
    disk.fill()
    story.crash(crashed)
    wait_until(lambda: outage_lines(story), 10, "the server says why it cannot go on")

    began = time.monotonic()
    assert story.ring.stop() == 0
    assert time.monotonic() - began < 10
    assert story.ring.log.read_text().rstrip().endswith("ring server stopped")
    disk.fill()  # what the server gave back as it ended
    story.ring.start()
    assert story.row()["id"] == row["id"]
    story.ring.kill()
    disk.fill()
    story.ring.start()
    assert story.row()["id"] == row["id"]
    assert [one.id for one in story.docker.running(story.namespace)] == [kept]
    story.ring.kill()
    disk.free()
    story.ring.start()
    after = story.wait_whole(2)
    assert kept in {one.id for one in after}
    assert story.row()["id"] == row["id"]
    assert story.created() == 3
    assert story.told("container_crashed") == []  # it ended while no server could take note
    story.ring.login()


def test_a_first_start_on_a_full_disk_is_refused(disk: Disk, make_ring: MakeRing) -> None:
    disk.fill()
    ring = make_ring(environment=on(disk))
    answer = ring.run("server", "start")
    assert (answer.code, answer.out) == (1, "")
    (line,) = [line for line in answer.err.splitlines() if "Refusing to start" in line]
    assert f"Refusing to start: cannot open database {disk.root}/ring.db: " in line
    assert line.endswith("free space on the file system of the database")
    disk.free()
    ring.start()
    ring.login()
