"""Volumes that a runtime made for one instance alone, until they are known to be gone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ring.core.model.ids import InstanceId

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ring.store.database import Transaction
    from ring.store.door import Door


@dataclass(frozen=True, slots=True)
class AnonymousVolume:
    runtime: str
    name: str
    instance_id: InstanceId


class AnonymousVolumes:
    def __init__(self, door: Door) -> None:
        self._door = door

    def all(self) -> tuple[AnonymousVolume, ...]:
        return tuple(
            AnonymousVolume(row["runtime"], row["name"], InstanceId(row["instance_id"]))
            for row in self._door.read("anonymous_volumes", "all")
        )

    async def keep(self, volumes: Iterable[AnonymousVolume]) -> None:
        """Idempotent."""
        await self._door.write(lambda tx: _insert(tx, volumes))

    async def drop(self, volumes: Iterable[AnonymousVolume]) -> None:
        """Idempotent."""
        await self._door.write(lambda tx: _delete(tx, volumes))


def _insert(tx: Transaction, volumes: Iterable[AnonymousVolume]) -> None:
    for one in volumes:
        tx.run(
            "anonymous_volumes",
            "insert",
            {"runtime": one.runtime, "name": one.name, "instance_id": one.instance_id},
        )


def _delete(tx: Transaction, volumes: Iterable[AnonymousVolume]) -> None:
    for one in volumes:
        tx.run("anonymous_volumes", "delete", {"runtime": one.runtime, "name": one.name})
