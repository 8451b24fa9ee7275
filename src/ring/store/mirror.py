"""The rows, the ledger and the tombstones in memory, changed only by what was committed."""

from __future__ import annotations

from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, assert_never

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime

    from ring.core.model.deployment import Deployment
    from ring.core.model.ids import DeploymentId, GroupKey, InstanceName
    from ring.core.model.ledger import Entry
    from ring.core.references import Reference


@dataclass(frozen=True, slots=True)
class RowPut:
    row: Deployment


@dataclass(frozen=True, slots=True)
class RowPurged:
    """The row with its ledger entries; it becomes a tombstone."""

    id: DeploymentId
    at: datetime


@dataclass(frozen=True, slots=True)
class EventStamped:
    id: DeploymentId
    at: datetime


@dataclass(frozen=True, slots=True)
class EntryPut:
    entry: Entry


@dataclass(frozen=True, slots=True)
class EntryDropped:
    name: InstanceName


@dataclass(frozen=True, slots=True)
class TombstoneDropped:
    id: DeploymentId


@dataclass(frozen=True, slots=True)
class InputChanged:
    """A secret or config was made, written or deleted. The mirror has none; the engine is told."""

    namespace: str
    reference: Reference


@dataclass(frozen=True, slots=True)
class Queued:
    """Something is to be delivered to these hooks, of which the mirror has none either."""

    webhook_ids: frozenset[str]


@dataclass(frozen=True, slots=True)
class HookRevoked:
    id: str


@dataclass(frozen=True, slots=True)
class TokensEnded:
    """Some of a user's, or all. The mirror has none: whoever holds what they opened is told."""

    user_id: str


Change = (
    RowPut
    | RowPurged
    | EventStamped
    | EntryPut
    | EntryDropped
    | TombstoneDropped
    | InputChanged
    | Queued
    | HookRevoked
    | TokensEnded
)

_NO_ENTRIES: Mapping[InstanceName, Entry] = MappingProxyType({})


class Mirror:
    """Belongs to the loop's thread. What it hands out never changes afterwards."""

    def __init__(self) -> None:
        self._rows: dict[DeploymentId, Deployment] = {}
        self._groups: dict[GroupKey, tuple[Deployment, ...]] = {}
        self._ledger: dict[GroupKey, dict[InstanceName, Entry]] = {}
        self._group_of: dict[InstanceName, GroupKey] = {}
        self._tombstones: dict[DeploymentId, datetime] = {}

    @classmethod
    def of(
        cls,
        rows: Iterable[Deployment],
        entries: Iterable[Entry],
        tombstones: Mapping[DeploymentId, datetime],
    ) -> Mirror:
        """As stored; rows and entries in the order they were made."""
        mirror = cls()
        mirror.apply([*(RowPut(row) for row in rows), *(EntryPut(entry) for entry in entries)])
        mirror._tombstones.update(tombstones)
        return mirror

    def groups(self) -> tuple[GroupKey, ...]:
        return tuple(self._groups)

    def rows(self, key: GroupKey) -> tuple[Deployment, ...]:
        return self._groups.get(key, ())

    def row(self, deployment_id: DeploymentId) -> Deployment | None:
        return self._rows.get(deployment_id)

    def all_rows(self) -> tuple[Deployment, ...]:
        return tuple(self._rows.values())

    def ledger(self, key: GroupKey) -> Mapping[InstanceName, Entry]:
        entries = self._ledger.get(key)
        return _NO_ENTRIES if entries is None else MappingProxyType(entries)

    def purged_at(self, deployment_id: DeploymentId) -> datetime | None:
        return self._tombstones.get(deployment_id)

    def apply(self, changes: Sequence[Change]) -> None:
        """One transaction's changes, in the order they were made."""
        own: set[GroupKey] = set()
        for change in changes:
            match change:
                case RowPut(row):
                    self._put_row(row)
                case RowPurged(deployment_id, at):
                    self._purge(deployment_id, at, own)
                case EventStamped(deployment_id, at):
                    self._put_row(replace(self._rows[deployment_id], last_event_at=at))
                case EntryPut(entry):
                    key = self._rows[entry.deployment_id].key
                    self._own_ledger(key, own)[entry.name] = entry
                    self._group_of[entry.name] = key
                case EntryDropped(name):
                    self._drop_entry(name, own)
                case TombstoneDropped(deployment_id):
                    self._tombstones.pop(deployment_id, None)
                case InputChanged() | Queued() | HookRevoked() | TokensEnded():
                    pass
                case _:
                    assert_never(change)

    def _put_row(self, row: Deployment) -> None:
        members = self._groups.get(row.key, ())
        if row.id in self._rows:
            members = tuple(row if member.id == row.id else member for member in members)
        else:
            members = (*members, row)
        self._groups[row.key] = members
        self._rows[row.id] = row

    def _purge(self, deployment_id: DeploymentId, at: datetime, own: set[GroupKey]) -> None:
        row = self._rows.pop(deployment_id)
        members = tuple(member for member in self._groups[row.key] if member.id != deployment_id)
        if members:
            self._groups[row.key] = members
        else:
            del self._groups[row.key]
        for entry in tuple(self._ledger.get(row.key, {}).values()):
            if entry.deployment_id == deployment_id:
                self._drop_entry(entry.name, own)
        self._tombstones[deployment_id] = at

    def _drop_entry(self, name: InstanceName, own: set[GroupKey]) -> None:
        key = self._group_of.pop(name, None)
        if key is None:
            return
        entries = self._own_ledger(key, own)
        del entries[name]
        if not entries:
            del self._ledger[key]
            own.discard(key)

    def _own_ledger(self, key: GroupKey, own: set[GroupKey]) -> dict[InstanceName, Entry]:
        """A group's entries as a dict no reader holds yet: copied once a transaction."""
        if key not in own:
            self._ledger[key] = dict(self._ledger.get(key, {}))
            own.add(key)
        return self._ledger[key]
