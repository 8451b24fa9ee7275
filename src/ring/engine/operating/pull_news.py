"""What is said of pulls while they take long: events, and words beside the planner's."""

from __future__ import annotations

import asyncio
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from ring.core.model.events import EventDraft, Level
from ring.runtimes.base import Pulls

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ring.core.model.deployment import Deployment
    from ring.core.model.ids import DeploymentId
    from ring.core.plan.explaining import Explained
    from ring.engine.journal import Journal
    from ring.runtimes.base import PullProgress, Runtime

FIRST_S = 5.0
"""A pull that ends within it is not talked about."""
EVERY_S = 10.0


class PullNews:
    """Of all rows whose image is being pulled."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._said: dict[DeploymentId, str] = {}
        """Last, of each row that has something to say."""

    @contextmanager
    def of(self, row: Deployment, runtime: Runtime) -> Iterator[None]:
        """Tells while the image of the row is pulled within. One at a time for a row."""
        if not isinstance(runtime, Pulls):
            yield
            return
        loop = asyncio.get_running_loop()
        timer: asyncio.TimerHandle

        def tell() -> None:
            nonlocal timer
            timer = loop.call_later(EVERY_S, tell)
            self._tell(row, runtime, runtime.name)

        timer = loop.call_later(FIRST_S, tell)
        try:
            yield
        finally:
            timer.cancel()
            self._said.pop(row.id, None)

    def _tell(self, row: Deployment, pulls: Pulls, component: str) -> None:
        progress = pulls.pull_progress(row.spec.image)
        if progress is None:
            return
        text = f"Pulling image '{row.spec.image}': {words(progress)}"
        if self._said.get(row.id) != text:
            self._said[row.id] = text
            self._journal.put(EventDraft(row.id, Level.INFO, "image_pulling", text, component))

    def beside(self, explained: Explained) -> Explained:
        """With what was said last, for the rows that it was said of."""
        if not self._said:
            return explained
        rows = tuple(
            replace(each, reason=self._added(each.reason, each.row.id)) for each in explained.rows
        )
        lead = (tuple(each for each in rows if not each.row.is_deleted) or rows)[-1]
        return replace(explained, rows=rows, summary=self._added(explained.summary, lead.row.id))

    def _added(self, reason: str, row: DeploymentId) -> str:
        said = self._said.get(row)
        return f"{reason} ({said})" if said else reason


def words(progress: PullProgress) -> str:
    """`2 of 5 layers, 12.3 of 40.0 MiB`; what is not known yet is not said."""
    if not progress.layers:
        return "the registry has not answered yet"
    text = f"{progress.layers_done} of {progress.layers} layers"
    if progress.size_bytes:
        text += f", {_mib(progress.done_bytes)} of {_mib(progress.size_bytes)} MiB"
    return text


def _mib(size: int) -> str:
    return f"{size / 1024 / 1024:.1f}"
