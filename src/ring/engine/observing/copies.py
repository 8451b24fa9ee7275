"""Tells the instances of a listing from what somebody has made of them.

An image that is committed of an instance keeps its labels, and so has every container that is made
of it: Ring's id and the deployment's are in all of them. The name that it was made under is the
original's alone.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from ring.core.model.ids import InstanceId
    from ring.core.model.observed import Instance
    from ring.store.store import Store

log = logging.getLogger(__name__)


class Copies:
    """Of one runtime."""

    def __init__(self, runtime: str, store: Store, is_known: Callable[[InstanceId], bool]) -> None:
        """is_known: whether an id is that of an instance heard of before."""
        self._runtime = runtime
        self._store = store
        self._is_known = is_known
        self._named: set[InstanceId] = set()
        """Those that the log has told of."""

    def without(self, listed: Iterable[Instance]) -> list[Instance]:
        """All others; what is left out is named in the log, once."""
        kept: list[Instance] = []
        copies: set[InstanceId] = set()
        for one in listed:
            if not self._is_copy(one):
                kept.append(one)
                continue
            copies.add(one.id)
            if one.id not in self._named:
                log.warning(
                    "container %s on %s carries the labels of instance %s, but is not what was "
                    "made under that name: left alone",
                    one.name,
                    self._runtime,
                    one.made_as,
                )
        self._named = copies
        return kept

    def _is_copy(self, one: Instance) -> bool:
        """What was renamed has an id that is known; or its label names what was announced by a
        server that was killed before it knew the id."""
        if not one.has_other_name or self._is_known(one.id):
            return False
        row = self._store.deployment(one.deployment_id)
        entries = self._store.ledger(row.key).values() if row is not None else ()
        return not any(
            entry.instance_id == one.id or (entry.instance_id is None and entry.name == one.made_as)
            for entry in entries
        )
