"""Calls that have reached the fake engine, and who decides when they and its events go on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

    from ring.runtimes.base import (
        RuntimeEvent,
    )


@dataclass(slots=True, eq=False)
class Request:
    """A call that has reached the engine: carried out once, whoever waits for the answer."""

    what: str
    about: str
    """What it is for: a namespace, an image, an instance."""
    effect: Callable[[], object]
    answer: asyncio.Future[object]
    carried_out: bool = False
    _result: object = None
    _error: Exception | None = None

    def perform(self) -> None:
        """Carries it out and answers."""
        self.carry_out()
        self.reply()

    def carry_out(self) -> None:
        """What it asks for happens, once; the answer is on its way."""
        if self.carried_out:
            return
        self.carried_out = True
        try:
            self._result = self.effect()
        except Exception as error:  # noqa: BLE001 - handed to the caller, as an answer
            self._error = error

    def reply(self) -> None:
        """The answer arrives, if anybody still waits."""
        if self.answer.done():
            return
        if self._error is not None:
            self.answer.set_exception(self._error)
        else:
            self.answer.set_result(self._result)

    def fail(self, error: Exception) -> None:
        """The caller is told that it failed, whether or not it was carried out."""
        if not self.answer.done():
            self.answer.set_exception(error)


class Traffic(Protocol):
    """Decides when requests are carried out and events delivered."""

    def requested(self, request: Request) -> None: ...

    def happened(self, event: RuntimeEvent, deliver: Callable[[RuntimeEvent], None]) -> None: ...


class AtOnce:
    """Everything happens immediately and in order."""

    def requested(self, request: Request) -> None:
        request.perform()

    def happened(self, event: RuntimeEvent, deliver: Callable[[RuntimeEvent], None]) -> None:
        deliver(event)
