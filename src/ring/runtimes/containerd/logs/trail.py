"""An instance's log files as one stream of bytes: found from its end, read on across rotation.

A file that is open stays readable whatever its name is by then, and its inode is nobody else's:
by that the files which follow it are found.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections import deque
from typing import TYPE_CHECKING, Final

from ring.runtimes.containerd.logs import changes

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_FLAGS: Final = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW
_HOLE: Final = 2
"""So many names in a row that are not there are the end: while files are renamed, one is not."""


class Overtaken(Exception):
    """The file after the one that was read is gone."""


class Trail:
    """Blocks. `close` may be called while another thread is in `held` or `read`."""

    def __init__(self, path: Path) -> None:
        """Of the newest file, which need not be there yet."""
        self._path = path
        self._lock = threading.Lock()
        self._is_closed = False
        self._files: deque[int] = deque()
        """Oldest first; the first is read now."""
        self._directory = -1
        self._lacks_newest = False
        """The newest file was not there when it was looked for."""
        self.sizes: list[int] = []

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Kept open for this thread."""
        with self._lock:
            try:
                yield
            finally:
                if self._is_closed:
                    self._close()

    def open(self) -> None:
        """Whatever files there are; within `held`. Raises OSError."""
        self._look()
        self.sizes = [os.fstat(fd).st_size for fd in self._files]

    @property
    def size(self) -> int:
        """Bytes, of all files when they were opened."""
        return sum(self.sizes)

    @property
    def watched(self) -> tuple[int, int]:
        """What changes as soon as there is more to read, and how (see changes); -1: nothing."""
        if self._lacks_newest:
            return self._directory, changes.OF_DIRECTORIES
        return self._files[-1], changes.OF_FILES

    def read_at(self, position: int, count: int) -> bytes:
        """Of what there was when the files were opened; shorter at its end. Before any `read`."""
        parts = []
        for fd, size in zip(self._files, self.sizes, strict=True):
            if position < size and count:
                part = os.pread(fd, min(count, size - position), position)
                parts.append(part)
                count -= len(part)
                position += len(part)
            position -= size
        return b"".join(parts)

    def begin_at(self, position: int) -> None:
        """Where `read` is to begin."""
        for size in self.sizes[:-1]:
            if position < size:
                break
            position -= size
            os.close(self._files.popleft())
        if self._files:
            os.lseek(self._files[0], position, os.SEEK_SET)

    def read(self, count: int) -> bytes:
        """What comes next, of one file; empty: nothing has come yet. Raises Overtaken, OSError."""
        with self.held():
            return b"" if self._is_closed else self._read(count)

    def close(self) -> None:
        """At once, or by the thread that reads."""
        self._is_closed = True
        if self._lock.acquire(blocking=False):
            try:
                self._close()
            finally:
                self._lock.release()

    def _read(self, count: int) -> bytes:
        while True:
            if not self._files and not self._look():
                return b""
            if written := os.read(self._files[0], count):
                return written
            if len(self._files) == 1 and not self._has_moved():
                return b""
            # Once it has been renamed nothing more is written: this is all there is of it.
            if written := os.read(self._files[0], count):
                return written
            self._advance()

    def _look(self) -> bool:
        """For files, where none is open yet."""
        self._files.extend(_open_newer_than(self._path, None)[0])
        self._lacks_newest = not self._files
        if self._lacks_newest:
            self._open_directory()
        return not self._lacks_newest

    def _has_moved(self) -> bool:
        """The newest file is another one by now."""
        try:
            newest = self._path.stat().st_ino
        except FileNotFoundError:
            self._lacks_newest = True
            self._open_directory()
            return False
        self._lacks_newest = False
        return newest != os.fstat(self._files[0]).st_ino

    def _open_directory(self) -> None:
        if self._directory < 0:
            with contextlib.suppress(FileNotFoundError):
                self._directory = os.open(self._path.parent, _FLAGS | os.O_DIRECTORY)

    def _advance(self) -> None:
        if len(self._files) == 1:
            newer, is_next = _open_newer_than(self._path, os.fstat(self._files[0]).st_ino)
            self._files.extend(newer)
            if not is_next:
                raise Overtaken
        os.close(self._files.popleft())

    def _close(self) -> None:
        while self._files:
            os.close(self._files.pop())
        if self._directory >= 0:
            os.close(self._directory)
            self._directory = -1


def _open_newer_than(path: Path, inode: int | None) -> tuple[list[int], bool]:
    """The files that follow the one of this inode, oldest first, and whether that one is there.

    None: all. From the newest on, since a file that is renamed meanwhile is met again, and none is
    missed.
    """
    opened: dict[int, int] = {}
    number = missing = 0
    try:
        while missing < _HOLE:
            try:
                fd = os.open(f"{path}.{number}" if number else path, _FLAGS)
            except FileNotFoundError:
                missing += 1
            else:
                missing = 0
                found = os.fstat(fd).st_ino
                if found == inode or found in opened:
                    os.close(fd)
                if found == inode:
                    return [*reversed(opened.values())], True
                opened.setdefault(found, fd)
            number += 1
    except OSError:
        for fd in opened.values():
            os.close(fd)
        raise
    return [*reversed(opened.values())], inode is None
