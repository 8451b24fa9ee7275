"""What changes names or whom they lead to, and who needs a network: handed on in the background."""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from typing import TYPE_CHECKING

from ring.runtimes.base import RuntimeFailure

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection, Mapping

    from ring.core.model.ids import InstanceId

_log = logging.getLogger(__name__)


class NameNews:
    """Loop thread only. What is told while something is handed on goes with the next."""

    def __init__(
        self,
        note: Callable[[Mapping[InstanceId, bool], Collection[InstanceId]], Awaitable[None]],
        let_go: Callable[[InstanceId], Awaitable[None]],
    ) -> None:
        """note: takes who is ready or not, and who has ended, and sees by itself which names there
        are. let_go: is told of each who has ended."""
        self._note = note
        self._let_go = let_go
        self._ready: dict[InstanceId, bool] = {}
        self._gone: set[InstanceId] = set()
        self._has_names = False
        """Some have come or gone."""
        self._task: asyncio.Task[None] | None = None

    def ready(self, told: Mapping[InstanceId, bool]) -> None:
        self._ready |= told
        self._go_on()

    def gone(self, instance_id: InstanceId) -> None:
        self._gone.add(instance_id)
        self._go_on()

    def known(self) -> None:
        """A name has become known, or is not any more."""
        self._has_names = True
        self._go_on()

    async def close(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def _go_on(self) -> None:
        if self._task is None or self._task.done():
            self._task = asyncio.get_running_loop().create_task(self._hand_on())

    async def _hand_on(self) -> None:
        while self._ready or self._gone or self._has_names:
            ready, gone = self._ready, self._gone
            self._ready, self._gone, self._has_names = {}, set(), False
            try:
                await self._note(ready, gone)
            except (RuntimeFailure, OSError) as error:
                _log.warning("names may be unknown, or lead to who is not ready: %s", error)
            for instance_id in gone:
                # What fails is tried again by the next sweep.
                with suppress(RuntimeFailure):
                    await self._let_go(instance_id)
