"""Deployments as JSON text, kept while they stay as they are: most of a list is known already."""

from __future__ import annotations

import asyncio
import json
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

from ring.api.wire.base import TURN
from ring.api.wire.deployments import deployment

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from ring.core.model.deployment import Deployment
    from ring.core.model.ids import DeploymentId
    from ring.core.model.observed import Instance

Shown = tuple["Deployment", "Sequence[Instance]"]
"""A row, and its running instances."""


class _Text(NamedTuple):
    row: Deployment
    instances: Sequence[Instance]
    addresses: bool
    text: str


class RowTexts:
    """Rows and instances never change once made, so the same objects mean the same text."""

    def __init__(self) -> None:
        self._known: dict[DeploymentId, _Text] = {}

    async def listed(self, shown: Iterable[Shown], *, addresses: bool, rows: int) -> bytes:
        """A JSON list of these. `rows` is how many there are in all: the most that are kept.

        A long one keeps the loop from nothing else.
        """
        texts: list[str] = []
        left = iter(shown)
        while turn := [self._text(*one, addresses=addresses) for one in islice(left, TURN)]:
            texts += turn
            await asyncio.sleep(0)
        if len(self._known) > 2 * rows:  # most of them are of rows that are gone
            self._known.clear()
        return f"[{','.join(texts)}]".encode(errors="replace")

    def _text(self, row: Deployment, instances: Sequence[Instance], *, addresses: bool) -> str:
        known = self._known.get(row.id)
        if (
            known is not None
            and known.row is row
            and known.addresses is addresses
            and known.instances == instances
        ):
            return known.text
        shape = deployment(row, instances, addresses=addresses)
        text = json.dumps(shape, separators=(",", ":"), ensure_ascii=False)
        self._known[row.id] = _Text(row, instances, addresses, text)
        return text
