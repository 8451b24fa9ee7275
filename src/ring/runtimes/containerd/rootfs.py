"""The root file system of an instance, as its image and its own layer have it, from outside.

What is in it is written by strangers: every path is looked up inside of it (see `mounting`).
"""

from __future__ import annotations

import contextlib
import errno
import os
import posixpath
import stat
from typing import TYPE_CHECKING, Final

from ring.core.model.failures import FailureClass
from ring.runtimes.base import RuntimeFailure
from ring.runtimes.containerd import mounting, trees

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from ring.runtimes.containerd.mounting import Mount

_NOT_THERE: Final = frozenset({errno.ENOENT, errno.ENOTDIR, errno.ELOOP})
_DIRECTORY: Final = os.O_RDONLY | os.O_DIRECTORY
_MODE: Final = 0o755


@contextlib.contextmanager
def opened(mounts: Sequence[Mount], *, writable: bool = False) -> Iterator[Root]:
    """What a snapshot's mounts show together; nothing is left behind, however this ends.

    writable: what is made is kept in the snapshot. For a thread. Raises
    RuntimeFailure(FILE_SYSTEM).
    """
    with _translated("the root file system of the instance"):
        number = mounting.apart(mounts, writable=writable)
    try:
        yield Root(number)
    finally:
        os.close(number)


class Root:
    """Paths are absolute, and as the instance sees them. Raises RuntimeFailure."""

    def __init__(self, number: int) -> None:
        self._number = number

    def read(self, path: str, most_bytes: int) -> bytes | None:
        """A regular file; None: there is none. Raises RuntimeFailure(INSTANCE_REJECTED) for a
        larger one."""
        with _translated(path):
            number = self._open_only(path, stat.S_ISREG)
            if number is None:
                return None
            try:
                with os.fdopen(number, "rb", closefd=False) as file:
                    content = file.read(most_bytes + 1)
            finally:
                os.close(number)
        if len(content) > most_bytes:
            raise RuntimeFailure(
                FailureClass.INSTANCE_REJECTED,
                f"'{path}' of the image is larger than {most_bytes} bytes",
            )
        return content

    def make_directory(self, path: str) -> None:
        """With those above it, root's and 0755; one that is there stays as it is."""
        parts = [part for part in posixpath.normpath(path).split("/") if part]
        with _translated(path):
            for count in range(1, len(parts) + 1):
                self._make(parts[:count])

    def copy_tree(self, path: str, to: Path) -> bool:
        """All that is in a folder, and what the folder itself is, into one that is there and empty.

        Owners, modes, times, attributes and links stay what they are. False: there is no such
        folder, and nothing happens. Raises RuntimeFailure(INSTANCE_REJECTED) where it is a file.
        """
        with _translated(path):
            if (number := self._open_only(path, stat.S_ISDIR)) is not None:
                try:
                    trees.copy(number, to)
                finally:
                    os.close(number)
                return True
            is_there = self._open(path, os.O_PATH)
            if is_there is None:
                return False
            os.close(is_there)
        raise RuntimeFailure(
            FailureClass.INSTANCE_REJECTED,
            f"cannot mount a volume at '{path}': it is a file in the image",
        )

    def _open_only(self, path: str, is_wanted: Callable[[int], bool]) -> int | None:
        """To be read; None: it is of another kind, or not there. It is looked at before it is
        opened: to open a device may do something to the host."""
        seen = self._open(path, os.O_PATH)
        if seen is None:
            return None
        try:
            if not is_wanted(os.fstat(seen).st_mode):
                return None
            return os.open(f"/proc/self/fd/{seen}", os.O_RDONLY | os.O_CLOEXEC)
        finally:
            os.close(seen)

    def _open(self, path: str, flags: int) -> int | None:
        try:
            return mounting.open_in(self._number, path, flags)
        except OSError as error:
            if error.errno in _NOT_THERE:
                return None
            raise

    def _make(self, parts: Sequence[str]) -> None:
        found = self._open("/".join(parts), os.O_PATH | os.O_DIRECTORY)
        if found is not None:
            os.close(found)
            return
        above = mounting.open_in(self._number, "/".join(parts[:-1]) or ".", _DIRECTORY)
        try:
            os.mkdir(parts[-1], dir_fd=above)
            os.chmod(parts[-1], _MODE, dir_fd=above)
        finally:
            os.close(above)


@contextlib.contextmanager
def _translated(what: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise RuntimeFailure(
            FailureClass.FILE_SYSTEM, f"cannot use {what}: {error.strerror}"
        ) from error
