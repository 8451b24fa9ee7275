"""Work that may hang for ever: whoever looks at a network file system whose server does not answer
is held by the kernel."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")


def _nothing() -> None:
    pass


async def apart(work: Callable[[], T], name: str, ended: Callable[[], None] = _nothing) -> T:
    """In a thread of its own that the end of the server does not wait for. Raises what it raises.

    Whoever waits may give up: the thread goes on for as long as it is held. name: of the thread.
    ended: called in the loop once the thread is over, also where nobody waits any more.
    """
    loop = asyncio.get_running_loop()
    done: asyncio.Future[T] = loop.create_future()

    def finish(told: Callable[[], None]) -> None:
        ended()
        if not done.cancelled():
            told()

    def run() -> None:
        try:
            found = work()
        except Exception as error:  # noqa: BLE001 - raised again where it is waited for
            failure = error
            _call(loop, lambda: finish(lambda: done.set_exception(failure)))
        else:
            _call(loop, lambda: finish(lambda: done.set_result(found)))

    try:
        threading.Thread(target=run, name=name, daemon=True).start()
    except RuntimeError:  # no thread can be had
        ended()
        raise
    return await done


def _call(loop: asyncio.AbstractEventLoop, callback: Callable[[], None]) -> None:
    with contextlib.suppress(RuntimeError):  # the loop has ended meanwhile
        loop.call_soon_threadsafe(callback)
