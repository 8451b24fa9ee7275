"""How often what a group may refer to was written, so that whoever misses something looks again."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ring.core.model.ids import GroupKey


class Inputs:
    """Counts of this process; see View.inputs. Loop thread only."""

    def __init__(self) -> None:
        self._written: Counter[GroupKey] = Counter()

    def note(self, key: GroupKey) -> None:
        """Something was written, and is committed: whoever reads now sees it."""
        self._written[key] += 1

    def count(self, key: GroupKey) -> int:
        return self._written[key]

    def forget(self, key: GroupKey) -> None:
        """The group has no row any more."""
        self._written.pop(key, None)
