"""What is known of the attachments of all instances: in memory, and in files for a next server."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Final

from ring.network.cni.results import Results

if TYPE_CHECKING:
    from pathlib import Path

    from ring.network.cni.results import Record

RECENT_S: Final = 120.0
"""A listing that does not know of an instance may be older than its joining, by less than this."""

_log = logging.getLogger(__name__)


class Records:
    """Loop thread only."""

    def __init__(self, directory: Path) -> None:
        self._results = Results(directory)
        self._records: dict[str, Record] = {}
        self._began_at: dict[str, float] = {}
        """By instance, in the loop's seconds."""
        self._is_loaded = False
        self._loading = asyncio.Lock()

    async def load(self) -> None:
        """Once; costs nothing after that."""
        if self._is_loaded:
            return
        async with self._loading:
            if not self._is_loaded:
                found = await asyncio.to_thread(self._results.all)
                self._records |= {record.container_id: record for record in found}
                self._is_loaded = True

    def get(self, instance_id: str) -> Record | None:
        """From memory, or from its file before anything was loaded."""
        record = self._records.get(instance_id)
        if record is None and not self._is_loaded:
            return self._results.read(instance_id)
        return record

    def present(self, instance_id: str) -> Record | None:
        """As `get`, unless somebody else with the same files has dropped it."""
        record = self.get(instance_id)
        if record is not None and not self._results.is_there(instance_id):
            self._records.pop(instance_id, None)
            self._began_at.pop(instance_id, None)
            return None
        return record

    def all(self) -> list[Record]:
        return list(self._records.values())

    def on(self, network: str) -> list[Record]:
        """Of those that are on it."""
        return [one for one in self.all() if one.network == network and not one.has_left]

    def is_recent(self, instance_id: str) -> bool:
        """It may have joined since whoever knows nothing of it was told so."""
        began_at = self._began_at.get(instance_id)
        return began_at is not None and _now() - began_at < RECENT_S

    async def begin(self, record: Record) -> None:
        """What a crash leaves behind from here on is found. Raises OSError."""
        self._began_at[record.container_id] = _now()
        await self.keep(record)

    async def keep(self, record: Record) -> None:
        """Raises OSError."""
        self.remember(record)
        await asyncio.to_thread(self._results.write, record)

    def remember(self, record: Record) -> None:
        """Until this server ends."""
        self._records[record.container_id] = record

    async def try_to_keep(self, record: Record) -> None:
        """What fails is logged: this server knows it."""
        try:
            await self.keep(record)
        except OSError as error:
            _log.warning("instance %s: %s", record.container_id, error)

    async def drop(self, instance_id: str) -> None:
        self._records.pop(instance_id, None)
        self._began_at.pop(instance_id, None)
        try:
            await asyncio.to_thread(self._results.remove, instance_id)
        except OSError as error:
            _log.warning("instance %s: %s", instance_id, error)


def _now() -> float:
    return asyncio.get_running_loop().time()
