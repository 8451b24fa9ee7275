"""Connections and transactions: one writer, one read-only reader, every write one transaction.

A write is a plain function run whole on the writer's thread: one hop there and back. What it
changed in the mirror comes back with it and is applied on the loop's thread in commit order,
before the caller resumes, and also when the caller has been cancelled meanwhile.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import sqlite3
import threading
from dataclasses import dataclass, field
from functools import partial
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from ring.core.errors import HostError
from ring.store.migrate import available, expect_known, migrate
from ring.store.queries import query
from ring.store.trouble import BACKUP, StoreError, explained

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime
    from pathlib import Path

    from ring.clock import Clock
    from ring.store.door import Vault
    from ring.store.mirror import Change

_log = logging.getLogger(__name__)

T = TypeVar("T")

BUSY_TIMEOUT_S = 5.0
REVISIONS_KEPT = 10
_LOOKED_THROUGH_BYTES = 16 * 1024 * 1024
"""A larger database is not checked page by page at a start: 2 ms a MB, far more from a disk."""


@dataclass(slots=True)
class Transaction:
    """What a write function works with: statements by name, and the changes for the mirror."""

    connection: sqlite3.Connection
    now: datetime
    new_id: Callable[[], str]
    vault: Vault
    revisions_kept: int
    """Of each group, beside those that are needed."""
    changes: list[Change] = field(default_factory=list)

    def run(self, noun: str, name: str, values: Mapping[str, object]) -> int:
        """Rows affected."""
        return self.connection.execute(query(noun, name), values).rowcount

    def one(self, noun: str, name: str, values: Mapping[str, object]) -> sqlite3.Row | None:
        row: sqlite3.Row | None = self.connection.execute(query(noun, name), values).fetchone()
        return row

    def all(self, noun: str, name: str, values: Mapping[str, object]) -> list[sqlite3.Row]:
        return self.connection.execute(query(noun, name), values).fetchall()


@dataclass(slots=True)
class _Job(Generic[T]):
    work: Callable[[Transaction], T]
    apply: Callable[[Sequence[Change]], None]
    loop: asyncio.AbstractEventLoop
    future: asyncio.Future[T]

    def deliver(self, result: T, changes: Sequence[Change]) -> None:
        self.apply(changes)
        if not self.future.done():
            self.future.set_result(result)

    def refuse(self, error: BaseException) -> None:
        if self.future.done():
            _log.warning("a write whose caller is gone failed: %s", error)
        else:
            self.future.set_exception(error)


class Database:
    """Open from construction to `close`."""

    def __init__(
        self,
        path: Path | None,
        clock: Clock,
        new_id: Callable[[], str],
        vault: Vault,
        *,
        revisions_kept: int = REVISIONS_KEPT,
    ) -> None:
        """Migrates the file, which the lock has made. None: in memory.

        Raises HostError: `cannot open database <path>: <reason>`.
        """
        self._clock = clock
        self._new_id = new_id
        self._vault = vault
        self._revisions_kept = revisions_kept
        self.is_closed = False
        # Bounded by its callers: each waits for its own write.
        self._jobs: SimpleQueue[_Job[Any] | None] = SimpleQueue()
        self._thread: threading.Thread | None = None
        name = path or ":memory:"
        with contextlib.ExitStack() as undo:
            try:
                if path is not None:
                    _inspect(path)
                self._writer = self._reader = undo.enter_context(contextlib.closing(_connect(path)))
                migrate(self._writer, available())
                if path is not None:
                    self._reader = undo.enter_context(contextlib.closing(_connect(path)))
                    self._reader.execute("PRAGMA query_only = ON")
            except (sqlite3.Error, OSError) as error:
                raise HostError(f"cannot open database {name}: {explained(error)}") from error
            except HostError as error:
                raise HostError(f"cannot open database {name}: {error.message}") from error
            undo.pop_all()

    def start_thread(self) -> None:
        """From here on writes run on a thread of their own instead of the caller's."""
        self._thread = threading.Thread(target=self._serve, name="ring-store-writer", daemon=True)
        self._thread.start()

    async def close(self) -> None:
        """After the writes already queued. Idempotent."""
        if self.is_closed:
            return
        if self._thread is not None:
            await self._enqueue(lambda _: None, lambda _: None)
            self._jobs.put(None)
            self._thread.join()
        self.disconnect()

    def disconnect(self) -> None:
        """Without waiting for anything."""
        self.is_closed = True
        self._reader.close()
        self._writer.close()

    def read_one(
        self, noun: str, name: str, values: Mapping[str, object] | None = None
    ) -> sqlite3.Row | None:
        """Raises StoreError."""
        rows = self.read(noun, name, values)
        return rows[0] if rows else None

    def read(
        self, noun: str, name: str, values: Mapping[str, object] | None = None
    ) -> list[sqlite3.Row]:
        """What is committed. Raises StoreError."""
        try:
            return self._reader.execute(query(noun, name), values or {}).fetchall()
        except sqlite3.Error as error:
            raise StoreError(f"cannot read the database: {explained(error)}") from error

    def look(self, work: Callable[[Transaction], T]) -> T:
        """What `work` makes of one snapshot of what is committed. It must not write: on a file it
        cannot, and in memory it is undone. Raises StoreError, and what `work` raises."""
        try:
            self._reader.execute("BEGIN")
            return work(self._transaction(self._reader))
        except sqlite3.Error as error:
            raise StoreError(f"cannot read the database: {explained(error)}") from error
        finally:
            _undo(self._reader)

    async def write(
        self,
        work: Callable[[Transaction], T],
        apply: Callable[[Sequence[Change]], None],
    ) -> T:
        """Runs work in a transaction; what it raises rolls everything back and comes through.

        Raises StoreError when the database cannot be written.
        """
        if self.is_closed:
            raise StoreError("cannot write the database: it is closed")
        if self._thread is None:
            return self.write_inline(work, apply)
        return await self._enqueue(work, apply)

    def write_inline(
        self,
        work: Callable[[Transaction], T],
        apply: Callable[[Sequence[Change]], None],
    ) -> T:
        """The same on this thread: for a start, and for stores without a writer thread."""
        result, changes = self._transact(work)
        apply(changes)
        return result

    async def _enqueue(
        self,
        work: Callable[[Transaction], T],
        apply: Callable[[Sequence[Change]], None],
    ) -> T:
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()
        self._jobs.put(_Job(work, apply, loop, future))
        return await future

    def _serve(self) -> None:
        while (job := self._jobs.get()) is not None:
            with contextlib.suppress(RuntimeError):  # the loop is gone: nobody is left to tell
                try:
                    result, changes = self._transact(job.work)
                except BaseException as error:  # noqa: BLE001 - handed to the caller that waits
                    job.loop.call_soon_threadsafe(job.refuse, error)
                else:
                    job.loop.call_soon_threadsafe(job.deliver, result, changes)

    def _transact(self, work: Callable[[Transaction], T]) -> tuple[T, list[Change]]:
        transaction = self._transaction(self._writer)
        try:
            self._writer.execute("BEGIN IMMEDIATE")
            result = work(transaction)
            self._writer.execute("COMMIT")
        except sqlite3.Error as error:
            self._roll_back()
            raise StoreError(f"cannot write the database: {explained(error)}") from error
        except BaseException:
            self._roll_back()
            raise
        return result, transaction.changes

    def _transaction(self, connection: sqlite3.Connection) -> Transaction:
        return Transaction(
            connection, self._clock.wall(), self._new_id, self._vault, self._revisions_kept
        )

    def _roll_back(self) -> None:
        _undo(self._writer)


def _undo(connection: sqlite3.Connection) -> None:
    with contextlib.suppress(sqlite3.Error):  # SQLite has rolled back by itself
        if connection.in_transaction:
            connection.execute("ROLLBACK")


def _inspect(path: Path) -> None:
    """Looks before anything is changed. Raises HostError, sqlite3.Error.

    A connection that could write would, as it closes, put a log that a killed server left into a
    database that is refused.
    """
    uri = f"{path.resolve().as_uri()}?mode=ro"
    with contextlib.closing(sqlite3.connect(uri, uri=True, timeout=BUSY_TIMEOUT_S)) as looker:
        expect_known(looker, available())
        if path.stat().st_size > _LOOKED_THROUGH_BYTES:
            return
        found = looker.execute("PRAGMA quick_check(1)").fetchone()[0]
        if found != "ok":
            raise HostError(f"it is damaged; {BACKUP}")


def _connect(path: Path | None) -> sqlite3.Connection:
    connection = sqlite3.connect(
        ":memory:" if path is None else path,
        timeout=BUSY_TIMEOUT_S,
        isolation_level=None,
        check_same_thread=False,
    )
    try:
        connection.row_factory = sqlite3.Row
        connection.text_factory = partial(str, encoding="utf-8", errors="replace")
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
    except sqlite3.Error:
        connection.close()
        raise
    return connection
