"""Tells when a file is written to or renamed, or a directory gets one: inotify(7), once for each.

One watch is there only while somebody waits, and goes with the first news: an instance that writes
much costs nothing while its reader is busy, and one that nobody follows never does.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import os
import struct
import weakref
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

_IN_MODIFY: Final = 0x2
_IN_ATTRIB: Final = 0x4
_IN_MOVED_TO: Final = 0x80
_IN_CREATE: Final = 0x100
_IN_DELETE_SELF: Final = 0x400
_IN_MOVE_SELF: Final = 0x800
_IN_ONESHOT: Final = 0x80000000
OF_FILES: Final = _IN_MODIFY | _IN_ATTRIB | _IN_DELETE_SELF | _IN_MOVE_SELF | _IN_ONESHOT
OF_DIRECTORIES: Final = _IN_CREATE | _IN_MOVED_TO | _IN_ONESHOT
_HEADER: Final = struct.Struct("iIII")
"""Of an event: its watch, what happened, a cookie, and how long the name is that follows."""
_EVENTS_BYTES: Final = 64 * 1024
POLL_S: Final = 0.1
"""Where the kernel gives no more watches."""


class Changes:
    """Of one loop; see `shared`."""

    def __init__(self) -> None:
        self.users = 0
        """Readings that are under way."""
        self._waiting: dict[int, set[asyncio.Future[None]]] = {}
        libc = ctypes.CDLL(None, use_errno=True)
        self._add = libc.inotify_add_watch
        self._remove = libc.inotify_rm_watch
        self._fd: int = libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        if self._fd >= 0:
            asyncio.get_running_loop().add_reader(self._fd, self._read)

    def close(self) -> None:
        if self._fd >= 0:
            asyncio.get_running_loop().remove_reader(self._fd)
            os.close(self._fd)

    @contextlib.contextmanager
    def watch(self, fd: int, mask: int) -> Iterator[asyncio.Future[None] | None]:
        """Done once the file changes that is open there; None: ask again in a moment.

        By its descriptor, so that it is this file whatever it is called, and no disk is asked.
        """
        number = -1
        if self._fd >= 0 and fd >= 0:
            number = self._add(self._fd, f"/proc/self/fd/{fd}".encode(), ctypes.c_uint32(mask))
        if number < 0:
            yield None
            return
        news: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        waiting = self._waiting.setdefault(number, set())
        waiting.add(news)
        try:
            yield news
        finally:
            waiting.discard(news)
            if not waiting and self._waiting.pop(number, None) is not None:
                self._remove(self._fd, number)

    def _read(self) -> None:
        with contextlib.suppress(BlockingIOError):
            events = os.read(self._fd, _EVENTS_BYTES)
            place = 0
            while place < len(events):
                number, _, _, length = _HEADER.unpack_from(events, place)
                place += _HEADER.size + length
                for news in self._waiting.pop(number, ()):
                    if not news.done():
                        news.set_result(None)


_OF_LOOPS: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, Changes] = (
    weakref.WeakKeyDictionary()
)


@contextlib.contextmanager
def shared() -> Iterator[Changes]:
    """One for all that are within on this loop: a user may have few of them (128, as a rule)."""
    loop = asyncio.get_running_loop()
    changes = _OF_LOOPS.get(loop)
    if changes is None:
        changes = _OF_LOOPS[loop] = Changes()
    changes.users += 1
    try:
        yield changes
    finally:
        changes.users -= 1
        if not changes.users:
            del _OF_LOOPS[loop]
            changes.close()
