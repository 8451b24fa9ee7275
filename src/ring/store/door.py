"""What a repository of one noun works with: reads of what is committed, writes as transactions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, TypeVar

from ring.core.errors import RingError
from ring.store import tokens

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime

    from ring.store.database import Database, Transaction
    from ring.store.mirror import Change

T = TypeVar("T")


class Vault(Protocol):
    """Seals what is stored; never shows what it opens."""

    def seal(self, text: str) -> bytes: ...

    def open(self, blob: bytes) -> str:
        """Raises RingError, which says nothing of the value."""
        ...


class Locked:
    """Stands for the vault where a store is opened without a key: nothing is sealed or opened."""

    def seal(self, text: str) -> bytes:
        raise RingError("this store was opened without a secret key")

    def open(self, blob: bytes) -> str:
        raise RingError("this store was opened without a secret key")


class Door:
    """One for a store; every repository has it."""

    def __init__(
        self,
        database: Database,
        vault: Vault,
        touches: tokens.Touches,
        applied: Callable[[Sequence[Change]], None],
    ) -> None:
        self._database = database
        self._touches = touches
        self._applied = applied
        self.vault = vault

    def read(
        self, noun: str, name: str, values: Mapping[str, object] | None = None
    ) -> list[sqlite3.Row]:
        """The rows of `queries/<noun>.sql`, statement `name`. On the loop's thread, so it is to be
        short. Raises StoreError."""
        return self._database.read(noun, name, values)

    def read_one(
        self, noun: str, name: str, values: Mapping[str, object] | None = None
    ) -> sqlite3.Row | None:
        """The first of them. Raises StoreError."""
        return self._database.read_one(noun, name, values)

    def look(self, work: Callable[[Transaction], T]) -> T:
        """What `work` makes of one snapshot, of which it may write nothing. Raises StoreError."""
        return self._database.look(work)

    def used_at(self, token_id: str) -> datetime | None:
        """When a token was used, as far as no write has taken that along yet."""
        return self._touches.unwritten(token_id)

    async def write(
        self,
        work: Callable[[Transaction], T],
        applied: Callable[[Sequence[Change]], None] | None = None,
    ) -> T:
        """Runs `work` in one transaction; what it raises rolls everything back and comes through.

        `applied` takes its changes to the mirror in place of the store. Raises StoreError.
        """
        touched = self._touches.take()

        def whole(tx: Transaction) -> T:
            tokens.touch(tx, touched)
            return work(tx)

        try:
            return await self._database.write(whole, applied or self._applied)
        except RingError:
            self._touches.put_back(touched)
            raise
