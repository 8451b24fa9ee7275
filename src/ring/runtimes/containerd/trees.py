"""Copies of folders between file systems, by open folders: whoever writes there meanwhile, which
an instance may that has the volume mounted, cannot lead the copy elsewhere."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING, Final

from ring.runtimes.containerd import mounting

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager

_DIRECTORY: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_READ: Final = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_WRITE: Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_DEEPEST: Final = 200
"""Folders in each other, of which each is held open while it is copied."""
_PIECE_BYTES: Final = 16 * 1024 * 1024
_HOSTS_OWN: Final = "security.selinux"
"""An attribute that the place has, and not what lies there."""


def copy(source: int, to: Path) -> None:
    """All that is in the open folder, and what the folder itself is, into one that is empty.

    Owners, modes, times, attributes, and links of both kinds stay what they are. Raises OSError.
    """
    target = os.open(to, _DIRECTORY)
    try:
        _Copy(target).folder(source, target)
    finally:
        os.close(target)


class _Copy:
    """One of a whole tree."""

    def __init__(self, target: int) -> None:
        self._to = target
        self._linked: dict[tuple[int, int], str] = {}
        """Of files that have several names: where one of them is copied already."""

    def folder(self, source: int, target: int, path: str = "", depth: int = 0) -> None:
        if depth > _DEEPEST:
            raise OSError(errno.ENAMETOOLONG, f"it has more than {_DEEPEST} folders in each other")
        with os.scandir(source) as entries:
            names = [entry.name for entry in entries]
        for name in names:
            self._entry(name, source, target, f"{path}/{name}", depth)
        describe(source, target)

    def _entry(self, name: str, source: int, target: int, path: str, depth: int) -> None:
        told = os.stat(name, dir_fd=source, follow_symlinks=False)
        if stat.S_ISDIR(told.st_mode):
            os.mkdir(name, 0o700, dir_fd=target)
            with _open(name, _DIRECTORY, source) as inner, _open(name, _DIRECTORY, target) as made:
                self.folder(inner, made, path, depth + 1)
        elif stat.S_ISREG(told.st_mode):
            self._file(name, told, source, target, path)
        elif stat.S_ISLNK(told.st_mode):
            os.symlink(os.readlink(name, dir_fd=source), name, dir_fd=target)
            _describe_node(name, told, target)
        else:
            os.mknod(name, told.st_mode, told.st_rdev, dir_fd=target)
            _describe_node(name, told, target)

    def _file(self, name: str, told: os.stat_result, source: int, target: int, path: str) -> None:
        key = (told.st_dev, told.st_ino)
        if (other := self._linked.get(key)) is not None:
            with _closing(mounting.open_in(self._to, other, os.O_PATH | os.O_NOFOLLOW)) as number:
                os.link(_opened(number), name, dst_dir_fd=target, follow_symlinks=True)
            return
        with _open(name, _READ, source) as read, _open(name, _WRITE, target) as write:
            while os.sendfile(write, read, None, _PIECE_BYTES):
                pass
            describe(read, write)
            if told.st_nlink > 1:
                self._linked[key] = path


def _open(name: str, flags: int, directory: int) -> AbstractContextManager[int]:
    return _closing(os.open(name, flags, 0o600, dir_fd=directory))


@contextlib.contextmanager
def _closing(number: int) -> Iterator[int]:
    try:
        yield number
    finally:
        os.close(number)


def _opened(number: int) -> str:
    """The one path that leads to what is open, whatever its name is by now."""
    return f"/proc/self/fd/{number}"


def describe(source: int, target: int) -> None:
    """Owner, mode, attributes and times of one that is open become those of another. Raises
    OSError."""
    # Owner first: it takes the bits away that lend its rights.
    told = os.fstat(source)
    os.fchown(target, told.st_uid, told.st_gid)
    os.fchmod(target, stat.S_IMODE(told.st_mode))
    for name in _attributes(source):
        with contextlib.suppress(OSError):
            os.setxattr(target, name, os.getxattr(source, name))
    os.utime(target, ns=(told.st_atime_ns, told.st_mtime_ns))


def _describe_node(name: str, told: os.stat_result, target: int) -> None:
    os.chown(name, told.st_uid, told.st_gid, dir_fd=target, follow_symlinks=False)
    if not stat.S_ISLNK(told.st_mode):
        with _open(name, os.O_PATH | os.O_NOFOLLOW, target) as number:
            Path(_opened(number)).chmod(stat.S_IMODE(told.st_mode))
    os.utime(name, ns=(told.st_atime_ns, told.st_mtime_ns), dir_fd=target, follow_symlinks=False)


def _attributes(number: int) -> list[str]:
    try:
        return [name for name in os.listxattr(number) if name != _HOSTS_OWN]
    except OSError as error:
        if error.errno == errno.ENOTSUP:
            return []
        raise
