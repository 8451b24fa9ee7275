"""Event loops for tests that speak gRPC, each of which has a loop of its own.

gRPC hands on what comes by whichever loop runs, to the loop that it was asked on, also when that
is closed: the error of that is another test's then. What comes too late is of no interest.
"""

from __future__ import annotations

import asyncio
from typing import Any

import uvloop


class Plain(asyncio.SelectorEventLoop):
    """asyncio's."""

    def call_soon_threadsafe(self, *told: Any, **more: Any) -> asyncio.Handle:  # type: ignore[override]  # whatever it takes
        if self.is_closed():
            return _of_no_interest(self)
        return super().call_soon_threadsafe(*told, **more)


class Quick(uvloop.Loop):
    """uvloop's."""

    def call_soon_threadsafe(self, *told: Any, **more: Any) -> asyncio.Handle:  # type: ignore[override]  # whatever it takes
        if self.is_closed():
            return _of_no_interest(self)
        return super().call_soon_threadsafe(*told, **more)


def _of_no_interest(loop: asyncio.AbstractEventLoop) -> asyncio.Handle:
    return asyncio.Handle(lambda: None, (), loop)
