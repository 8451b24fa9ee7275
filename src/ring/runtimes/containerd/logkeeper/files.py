"""One instance's log on disk: appended to, and begun anew before it grows past its limit.

`<id>.log` is the newest file, `<id>.log.1` the one before. Files are only renamed, so that whoever
has one open reads it to its end and finds by its inode which one follows.
"""

# pathlib and contextlib are half of what this process would weigh.
# ruff: noqa: PTH103, PTH104, PTH108, PTH118, SIM105

from __future__ import annotations

import os

from ring.runtimes.containerd.logkeeper import records

_TAIL_BYTES = 512 * 1024
"""Of a file that is opened again: more than the longest record."""
_FLAGS = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW


class Limits:
    """Where files are, how large each becomes, and how many there are of an instance.

    One object for all of them, which a server changes.
    """

    def __init__(self, directory: str, max_bytes: int, max_files: int) -> None:
        self.directory = directory
        self.max_bytes = max_bytes
        self.max_files = max_files


class LogFile:
    """Written by nobody else. Every method but `close` raises OSError."""

    def __init__(self, limits: Limits, instance_id: str) -> None:
        self._limits = limits
        self._name = instance_id + ".log"
        self._fd = -1
        self._size = 0
        self._is_torn = False
        self._unwritten = b""
        self._begin = 0
        """Of what is unwritten in that."""

    @property
    def is_behind(self) -> bool:
        return self._begin < len(self._unwritten)

    def unfinished(self) -> frozenset[bytes]:
        """The streams whose last line has no end in the file yet."""
        try:
            fd = os.open(self._numbered(0), os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
        except FileNotFoundError:
            return frozenset()
        try:
            return records.unfinished(_tail(fd, os.fstat(fd).st_size))
        finally:
            os.close(fd)

    def hand_over(self, stamp: bytes) -> None:
        """It is there, and no line in it lacks an end: another one may append to it from now on."""
        ends = [b"%b%b F \n" % (stamp, stream) for stream in sorted(self.unfinished())]
        self._open(stamp)
        try:
            self.write(b"".join(ends), stamp)
        finally:
            self.close()

    def write(self, taken: bytes, stamp: bytes) -> None:
        """Appends whole records. What an OSError keeps from being written is left to `flush`."""
        self._unwritten = self._unwritten[self._begin :] + taken if self.is_behind else taken
        self._begin = 0
        self.flush(stamp)

    def flush(self, stamp: bytes) -> None:
        """Goes on writing where it was broken off; `stamp` is now."""
        while self.is_behind:
            if self._fd < 0:
                self._open(stamp)
            end = self._next_end()
            if end == self._begin:
                self._rotate()
                continue
            written = os.write(self._fd, memoryview(self._unwritten)[self._begin : end])
            self._size += written
            self._begin += written
            self._is_torn = self._unwritten[self._begin - 1] != _NEWLINE
        self._unwritten, self._begin = b"", 0

    def drop(self) -> int:
        """Gives up what is unwritten: how many records were in it."""
        count = self._unwritten.count(b"\n", self._begin)
        self._unwritten, self._begin = b"", 0
        if self._is_torn:
            self.close()
        return count

    def close(self) -> None:
        """It is opened again by whatever is written next."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def _next_end(self) -> int:
        """Up to where this file takes what is unwritten; its begin: the file is full."""
        rest = len(self._unwritten) - self._begin
        room = self._limits.max_bytes - self._size
        if rest <= room:
            return len(self._unwritten)
        if not self._is_torn:
            end = self._unwritten.rfind(b"\n", self._begin, self._begin + max(room, 0)) + 1
            if end:
                return end
            if self._size:
                return self._begin
        # A record is never split between two files, however long it is.
        return self._unwritten.index(b"\n", self._begin) + 1

    def _open(self, stamp: bytes) -> None:
        try:
            fd = os.open(self._numbered(0), _FLAGS, 0o600)
        except FileNotFoundError:
            os.makedirs(self._limits.directory, 0o700, exist_ok=True)
            fd = os.open(self._numbered(0), _FLAGS, 0o600)
        try:
            self._size = os.fstat(fd).st_size
            if torn := _tail(fd, self._size).rpartition(b"\n")[2]:
                rest = records.mend(torn, stamp)
                self._size += os.write(fd, rest)
        except OSError:
            os.close(fd)
            raise
        self._fd = fd
        self._is_torn = False

    def _rotate(self) -> None:
        self.close()
        number = self._limits.max_files - 1
        try:
            while True:  # also what is left of a time when more were kept
                os.unlink(self._numbered(number))
                number += 1
        except FileNotFoundError:
            pass
        for number in range(self._limits.max_files - 2, -1, -1):
            try:
                os.rename(self._numbered(number), self._numbered(number + 1))
            except FileNotFoundError:
                pass

    def _numbered(self, number: int) -> str:
        path = os.path.join(self._limits.directory, self._name)
        return f"{path}.{number}" if number else path


_NEWLINE = 10


def _tail(fd: int, size: int) -> bytes:
    return os.pread(fd, _TAIL_BYTES, max(0, size - _TAIL_BYTES))
