"""Opening, the writer thread, and the order in which the mirror learns of commits."""

from __future__ import annotations

import asyncio
import stat
import threading
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from ring.core.errors import Conflict, Denied, HostError
from ring.core.model.ids import DeploymentId
from ring.core.model.status import Status
from ring.core.plan.view import Plan, RowChange
from ring.store.store import Store
from ring.store.trouble import StoreError
from tests.store.builders import (
    BOUND,
    MIRA,
    WEB,
    ManualClock,
    changed,
    contents,
    current,
    done,
    entry,
    event,
    spec,
    sql,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from ring.store.database import Transaction


@asynccontextmanager
async def opened(path: Path) -> AsyncIterator[Store]:
    store = Store.open(path, ManualClock())
    try:
        yield store
    finally:
        await store.close()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "ring.db"


def test_files_are_for_their_owner_alone(path: Path) -> None:
    async def scenario() -> None:
        async with opened(path) as store:
            await store.accept(spec(), MIRA)
            modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in path.parent.iterdir()}
        assert modes == dict.fromkeys(
            ("ring.db", "ring.db-wal", "ring.db-shm", "ring.db.lock"), 0o600
        )

    asyncio.run(scenario())


def test_connections_are_set_up_for_durability(path: Path) -> None:
    store = Store.open(path, ManualClock(), inline=True)
    database = store._database
    for connection, query_only in ((database._writer, 0), (database._reader, 1)):
        pragmas = {
            name: connection.execute(f"PRAGMA {name}").fetchone()[0]
            for name in ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
        }
        assert pragmas == {
            "journal_mode": "wal",
            "synchronous": 2,
            "foreign_keys": 1,
            "busy_timeout": 5000,
        }
        assert connection.execute("PRAGMA query_only").fetchone()[0] == query_only
    done(store.close())


def test_what_was_committed_is_there_after_reopening(path: Path) -> None:
    async def write() -> tuple[object, ...]:
        async with opened(path) as store:
            row = (await store.accept(spec(environment={"B": "1", "A": "2"}), MIRA)).deployment
            await store.accept(spec(name="api", replicas=3), MIRA)
            assert await store.commit(
                Plan(
                    rows=(RowChange(row, replace(row, restart_count=2)),),
                    put_entries=(entry(row, "00000002"), entry(row, "00000001")),
                    events=(event(row.id),),
                )
            )
            return contents(store)

    async def read() -> tuple[object, ...]:
        async with opened(path) as store:
            return contents(store)

    written = asyncio.run(write())
    assert asyncio.run(read()) == written
    assert asyncio.run(read()) == written


@pytest.mark.parametrize("inline", [True, False])
def test_fifty_simultaneous_applies_leave_one_active_row(path: Path, inline: bool) -> None:
    async def scenario() -> None:
        store = Store.open(path, ManualClock(), inline=inline)
        results = await asyncio.gather(*(store.accept(spec(), MIRA) for _ in range(50)))
        rows = store.rows(WEB)
        assert [result.change for result in results] == ["created"] * 50
        assert len(rows) == 50
        assert [row for row in rows if not row.is_deleted] == [rows[-1]]
        assert sorted(row.revision for row in rows) == list(range(1, 51))
        assert rows == tuple(sorted(rows, key=lambda row: row.revision))
        assert len(store.namespaces()) == 1
        before = contents(store)
        await store.close()
        again = Store.open(path, ManualClock(), inline=True)
        assert contents(again) == before
        await again.close()

    asyncio.run(scenario())


def test_fifty_simultaneous_applies_of_the_same_are_one_row(path: Path) -> None:
    async def scenario() -> None:
        async with opened(path) as store:
            results = await asyncio.gather(
                *(store.accept(spec(), MIRA, if_changed=True) for _ in range(50))
            )
            assert sorted(result.change for result in results) == ["created"] + ["unchanged"] * 49
            assert len(store.rows(WEB)) == 1

    asyncio.run(scenario())


def test_a_caller_finds_its_write_in_the_mirror(path: Path) -> None:
    async def scenario() -> None:
        async with opened(path) as store:
            row = (await store.accept(spec(), MIRA)).deployment
            assert store.rows(WEB) == (row,)
            for count in range(1, 20):
                await store.commit(changed(current(store, row), restart_count=count))
                assert current(store, row).restart_count == count

    asyncio.run(scenario())


def test_the_mirror_learns_of_commits_in_their_order(path: Path) -> None:
    async def scenario() -> None:
        async with opened(path) as store:
            row = (await store.accept(spec(), MIRA)).deployment
            seen: list[int] = []

            async def write(version: int) -> None:
                expected = replace(row, version=version)
                assert await store.commit(changed(expected, restart_count=version + 1))
                seen.append(current(store, row).restart_count)

            await asyncio.gather(*(write(version) for version in range(30)))
            assert seen == sorted(seen)
            assert seen[-1] == 30
            assert current(store, row).version == 30

    asyncio.run(scenario())


def test_writes_run_on_one_thread_that_is_not_the_loops(path: Path) -> None:
    async def scenario() -> None:
        async with opened(path) as store:
            threads = await asyncio.gather(
                *(store._write(lambda _: threading.get_ident()) for _ in range(5))
            )
            assert len(set(threads)) == 1
            assert threads[0] != threading.get_ident()

    asyncio.run(scenario())


def _row(name: str) -> dict[str, str]:
    return {"id": "n", "name": name, "network": "{}", "created_at": ""}


async def blocked(
    store: Store, *, namespace: str = "edge"
) -> tuple[threading.Event, asyncio.Task[None]]:
    """A write that stands still in its transaction until the event is set."""
    loop = asyncio.get_running_loop()
    begun, release = asyncio.Event(), threading.Event()

    def work(tx: Transaction) -> None:
        tx.run("namespaces", "insert", _row(namespace))
        loop.call_soon_threadsafe(begun.set)
        assert release.wait(30)

    task = asyncio.create_task(store._write(work))
    await begun.wait()
    return release, task


def test_a_cancelled_caller_loses_nothing(path: Path) -> None:
    async def scenario() -> None:
        async with opened(path) as store:
            release, blocker = await blocked(store)
            queued = asyncio.create_task(store.accept(spec(), MIRA))
            await asyncio.sleep(0)
            queued.cancel()
            blocker.cancel()
            results = await asyncio.gather(queued, blocker, return_exceptions=True)
            assert [type(result) for result in results] == [asyncio.CancelledError] * 2
            assert store.rows(WEB) == ()
            release.set()
            result = await store.accept(spec(), MIRA, if_changed=True)
            assert result.change == "unchanged"
            assert store.rows(WEB) == (result.deployment,)

    asyncio.run(scenario())


def test_the_failure_of_a_write_nobody_waits_for_is_logged(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def scenario() -> None:
        async with opened(path) as store:
            release, blocker = await blocked(store)
            queued = asyncio.create_task(store.accept(spec(), BOUND))
            await asyncio.sleep(0)
            queued.cancel()
            await asyncio.gather(queued, return_exceptions=True)
            release.set()
            await blocker
            await store.create_namespace("prod", MIRA)
        assert "may not create namespace" in caplog.text

    asyncio.run(scenario())


def test_closing_finishes_what_is_queued(path: Path) -> None:
    async def scenario() -> None:
        store = Store.open(path, ManualClock())
        release, blocker = await blocked(store)
        queued = asyncio.create_task(store.accept(spec(), MIRA))
        await asyncio.sleep(0)
        closing = asyncio.create_task(store.close())
        await asyncio.sleep(0)
        release.set()
        await closing
        await blocker
        assert store.rows(WEB) == ((await queued).deployment,)
        await store.close()
        with pytest.raises(StoreError, match="closed"):
            await store.accept(spec(), MIRA)
        async with opened(path) as again:
            assert again.rows(WEB) == store.rows(WEB)

    asyncio.run(scenario())


def test_an_error_reaches_its_caller_and_only_it(path: Path) -> None:
    async def scenario() -> None:
        async with opened(path) as store:
            results = await asyncio.gather(
                store.accept(spec(), BOUND),
                store.create_namespace("media", MIRA),
                store.create_namespace("media", MIRA),
                store.accept(spec(), BOUND),
                return_exceptions=True,
            )
            kinds = [type(result).__name__ for result in results]
            assert kinds == [Denied.__name__, "Namespace", Conflict.__name__, "Accepted"]

    asyncio.run(scenario())


@pytest.mark.parametrize("inline", [True, False])
def test_a_full_disk_fails_one_write_and_undoes_it(path: Path, inline: bool) -> None:
    async def scenario() -> None:
        store = Store.open(path, ManualClock(), inline=inline)
        row = (await store.accept(spec(), MIRA)).deployment
        before = contents(store)
        pages = sql(store, "PRAGMA page_count")[0][0]
        sql(store, f"PRAGMA max_page_count = {pages + 2}")
        bulky = [event(row.id, message=f"{i}" + "x" * 4000) for i in range(100)]

        with pytest.raises(StoreError, match=r"cannot write the database: .*full"):
            await store.commit(
                Plan(
                    rows=(RowChange(row, replace(row, status=Status.RUNNING)),),
                    put_entries=(entry(row),),
                    events=tuple(bulky),
                )
            )

        assert contents(store) == before
        sql(store, "PRAGMA max_page_count = 100000")
        assert await store.commit(changed(row, status=Status.RUNNING))
        assert current(store, row).status is Status.RUNNING
        await store.close()

    asyncio.run(scenario())


def test_a_bug_in_a_write_undoes_it_too(path: Path) -> None:
    def work(tx: Transaction) -> None:
        tx.run("namespaces", "insert", _row("prod"))
        raise ZeroDivisionError

    async def scenario() -> None:
        async with opened(path) as store:
            with pytest.raises(ZeroDivisionError):
                await store._write(work)
            assert store.namespaces() == ()
            await store.create_namespace("prod", MIRA)

    asyncio.run(scenario())


def test_a_reader_sees_no_unfinished_write(path: Path) -> None:
    async def scenario() -> None:
        async with opened(path) as store:
            release, blocker = await blocked(store, namespace="prod")
            assert store.namespaces() == ()
            release.set()
            await blocker
            assert [namespace.name for namespace in store.namespaces()] == ["prod"]

    asyncio.run(scenario())


def test_reading_a_damaged_table_is_an_error_of_this_machine(store: Store) -> None:
    sql(store, "DROP TABLE deployment_event")
    with pytest.raises(StoreError, match="cannot read the database: no such table"):
        store.events(DeploymentId("nobody"), level=None, limit=1)


def test_a_missing_directory_is_named(tmp_path: Path) -> None:
    path = tmp_path / "absent" / "ring.db"
    with pytest.raises(HostError) as refused:
        Store.open(path, ManualClock())
    assert refused.value.message == (
        f"cannot open database {path}: No such file or directory; "
        "make the directory of the database first"
    )
    assert not path.parent.exists()


def test_a_directory_is_no_database(tmp_path: Path) -> None:
    path = tmp_path / "ring.db"
    path.mkdir()
    with pytest.raises(HostError, match=f"cannot open database {path}: Is a directory"):
        Store.open(path, ManualClock())


def test_a_file_that_is_no_database_is_left_alone(path: Path) -> None:
    path.write_text("my diary, page one\n" * 100)
    for _ in range(2):
        with pytest.raises(HostError, match=f"cannot open database {path}: file is not a database"):
            Store.open(path, ManualClock())
    assert path.read_text().startswith("my diary")


def test_a_database_that_cannot_be_loaded_is_let_go(path: Path) -> None:
    store = Store.open(path, ManualClock(), inline=True)
    sql(store, "DROP TABLE tombstone")
    done(store.close())
    for _ in range(2):
        with pytest.raises(HostError, match="no such table: tombstone"):
            Store.open(path, ManualClock())


def test_the_server_keeps_its_id(path: Path, tmp_path: Path) -> None:
    ids = []
    for place in (path, path, tmp_path / "other.db"):
        store = Store.open(place, ManualClock(), inline=True)
        ids.append(store.server_id)
        assert store.reopen().server_id == store.server_id
        done(store.close())
    assert ids[0] == ids[1] != ids[2]


def test_a_loop_that_is_gone_does_not_stop_the_writer(path: Path) -> None:
    store = Store.open(path, ManualClock())
    release = threading.Event()

    async def leave() -> None:
        task = asyncio.create_task(store._write(lambda _: release.wait(30)))
        await asyncio.sleep(0)
        task.cancel()

    asyncio.run(leave())
    release.set()

    async def come_back() -> None:
        await store.create_namespace("prod", MIRA)
        assert [namespace.name for namespace in store.namespaces()] == ["prod"]
        await store.close()

    asyncio.run(come_back())
