"""The kernel's small files as text: read once, or again and again without being opened each time.

Without file objects, which would cost more than the kernel's own work. A file that cannot be read
says nothing: an instance may have ended, or the kernel has no such figure.
"""

from __future__ import annotations

import contextlib
import os
import resource
from collections import deque

MOST = 4096
"""So many files are kept open at most."""
OTHERS = 4096
"""As many may be open otherwise: where there are no more than these, none is kept."""
_PIECE_BYTES = 64 * 1024
_WHOLE_BYTES = 2048
"""A piece this short is all there is: the kernel ends one where the next entry has no room in a
page, and no entry of these files is as long as that."""


def most_kept() -> int:
    """What the limit of open files leaves."""
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return MOST if files == resource.RLIM_INFINITY else min(MOST, max(0, files - OTHERS) // 4)


class Room:
    """For files that are kept open. Any thread."""

    def __init__(self, files: int) -> None:
        self._free = deque([None] * files)

    def take(self) -> bool:
        try:
            self._free.pop()
        except IndexError:
            return False
        return True

    def give_back(self) -> None:
        self._free.append(None)


class Kept:
    """Files that stay open for as long as this object is there, where there is room: to open one
    of a control group costs seven times what it costs to read it.

    An open one holds nothing up: its group can go away, and it says nothing from then on. Threads
    may share it; whoever reads holds it, so that nothing is closed under a reader.
    """

    def __init__(self, room: Room) -> None:
        self._room = room
        self._numbers: dict[str, int] = {}

    def text(self, path: str) -> str:
        number = self._numbers.get(path)
        if number is None:
            if not self._room.take():
                return text(path)
            number = _open(path)
            if number is None:
                self._room.give_back()
                return ""
            number = self._settled(path, number)
        return _text(number)

    def _settled(self, path: str, number: int) -> int:
        """The one that is kept, where two threads have opened it."""
        kept = self._numbers.setdefault(path, number)
        if kept != number:
            os.close(number)
            self._room.give_back()
        return kept

    def __del__(self) -> None:
        for number in self._numbers.values():
            with contextlib.suppress(OSError):
                os.close(number)
            self._room.give_back()


def text(path: str) -> str:
    number = _open(path)
    if number is None:
        return ""
    try:
        return _text(number)
    finally:
        os.close(number)


def _open(path: str) -> int | None:
    try:
        return os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None


def _text(number: int) -> str:
    """From its beginning."""
    try:
        content = piece = os.pread(number, _PIECE_BYTES, 0)
        while len(piece) > _WHOLE_BYTES:  # some files are told a page at a time
            piece = os.pread(number, _PIECE_BYTES, len(content))
            content += piece
    except OSError:
        return ""
    return content.decode(errors="replace")
