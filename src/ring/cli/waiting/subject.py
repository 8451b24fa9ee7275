"""What is waited for: which deployment, and what is to become of it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from ring.cli.rows import identity, whole_number
from ring.cli.text import one_line

if TYPE_CHECKING:
    from ring.cli.rows import Row


class Goal(StrEnum):
    READY = "ready"
    COMPLETED = "completed"
    DELETED = "deleted"


@dataclass(frozen=True, slots=True)
class Subject:
    """One deployment as it was when the wait began."""

    id: str
    namespace: str
    name: str
    revision: int = 0

    @classmethod
    def of(cls, row: Row) -> Subject:
        """Raises CommandFailed for a row without an id."""
        revision = whole_number(row.get("revision"))
        return cls(identity(row), str(row.get("namespace")), str(row.get("name")), revision)

    @classmethod
    def by_id(cls, found: str) -> Subject:
        """Of which no more is known, and no more is needed to see it go."""
        return cls(found, "", "")

    def __str__(self) -> str:
        return one_line(f"{self.namespace}/{self.name}" if self.name else self.id)
