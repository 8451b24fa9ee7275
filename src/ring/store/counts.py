"""How many of each there are, for metrics: every statement stays with indexes and small tables."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Mapping, Sequence

    from ring.store.door import Door

NOUNS = ("namespaces", "secrets", "volumes", "users", "webhooks", "configs")


class Counts:
    """Each raises StoreError."""

    def __init__(self, door: Door) -> None:
        self._door = door

    def nouns(self) -> Mapping[str, int]:
        """Rows of each of NOUNS, revoked webhooks with them."""
        row = self._door.read_one("counts", "nouns")
        return {} if row is None else {noun: row[noun] for noun in NOUNS}

    def outbound_events(self) -> Mapping[str, int]:
        """Events for webhooks, by status; a status without any is not there."""
        return _by_status(self._door.read("counts", "outbound_events"))

    def health_checks(self) -> Mapping[str, int]:
        """Results that are kept, by status."""
        return _by_status(self._door.read("counts", "health_checks"))


def _by_status(rows: Sequence[sqlite3.Row]) -> Mapping[str, int]:
    return {row["status"]: row["count"] for row in rows}
