"""Configs and secrets as files on this host, for instances to mount: one for each content.

`<root>/<deployment id>/<sha256>`: whoever cannot enter the directories cannot read the files, and
an instance gets the single file mounted past them. They outlive instances and go with their row.
Blocking; a directory that somebody else could change is refused, wherever it is on the way.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
import secrets
import stat
from typing import TYPE_CHECKING, Protocol, TypeVar

from ring.core.errors import HostError
from ring.core.model.ids import DeploymentId
from ring.core.orphans import KeptDirectory

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator
    from pathlib import Path

T = TypeVar("T")

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_OLD = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
_DIRECTORY_MODE, _FILE_MODE = 0o700, 0o444
_UNFINISHED = ".new-"
_OWNER = ".server-"
"""Begins the name of an empty file that says whose a directory is."""


class Run(Protocol):
    """Carries blocking work out elsewhere."""

    def __call__(self, work: Callable[[], T], /) -> Awaitable[T]: ...


class Files:
    """One for a server. Its methods may run side by side."""

    def __init__(self, root: Path, *, owner: str = "", run: Run = asyncio.to_thread) -> None:
        """Nothing is made before the first file is. owner: the server whose directories they are,
        which each says of itself. run: takes blocking work off the loop."""
        self._mark = f"{_OWNER}{owner}" if owner else ""
        self._root = root
        self._run = run
        self._unfinished = f"{_UNFINISHED}{secrets.token_hex(8)}-"

    async def keep(self, deployment_id: DeploymentId, content: bytes) -> str:
        """The path of a file with this content, made unless it is there. Raises HostError."""
        name = hashlib.sha256(content).hexdigest()

        def kept() -> None:
            with self._entered(deployment_id, make=True) as directory:
                _put(directory, self._mark)
                if not _holds(directory, name, content):
                    _write(directory, name, content, f"{self._unfinished}{secrets.token_hex(8)}")

        await self._told(deployment_id, kept)
        return os.fspath(self._root / deployment_id / name)

    async def drop(self, deployment_id: DeploymentId) -> None:
        """Removes the files of a row that is gone. Idempotent. Raises HostError."""

        def dropped() -> None:
            with self._entered(deployment_id, make=False) as directory:
                for name in _names(directory):
                    os.unlink(name, dir_fd=directory)
            with _walked(self._root, make=False) as root:
                os.rmdir(deployment_id, dir_fd=root)

        with contextlib.suppress(FileNotFoundError):
            await self._told(deployment_id, dropped)

    async def tidy(self, deployment_id: DeploymentId) -> None:
        """Removes what a server that was killed had begun for a row. Raises HostError."""

        def tidied() -> None:
            with self._entered(deployment_id, make=False) as directory:
                for name in _names(directory):
                    if name.startswith(_UNFINISHED) and not name.startswith(self._unfinished):
                        os.unlink(name, dir_fd=directory)

        with contextlib.suppress(FileNotFoundError):
            await self._told(deployment_id, tidied)

    async def kept(self) -> tuple[KeptDirectory, ...]:
        """All there are, other servers' among them. Raises HostError."""

        def listed() -> tuple[KeptDirectory, ...]:
            with _walked(self._root, make=False) as root:
                return tuple(KeptDirectory(name, _owner(root, name)) for name in _names(root))

        try:
            return await self._told("", listed)
        except FileNotFoundError:
            return ()

    async def owners(self) -> tuple[DeploymentId, ...]:
        """The rows that have a directory, other servers' among them. Raises HostError."""

        def listed() -> tuple[DeploymentId, ...]:
            with _walked(self._root, make=False) as root:
                return tuple(DeploymentId(name) for name in _names(root))

        try:
            return await self._told("", listed)
        except FileNotFoundError:
            return ()

    async def _told(self, where: str, work: Callable[[], T]) -> T:
        """What the work gives; its errors are told, but for one: nothing is there."""
        try:
            return await self._run(work)
        except FileNotFoundError:
            raise
        except OSError as error:
            why = error.strerror or str(error)
            raise HostError(f"cannot keep files in {self._root / where}: {why}") from error

    @contextlib.contextmanager
    def _entered(self, deployment_id: DeploymentId, *, make: bool) -> Iterator[int]:
        """The row's directory, ours alone."""
        with (
            _walked(self._root.parent, make=make) as parent,
            _own(parent, self._root.name, make=make) as root,
            _own(root, deployment_id, make=make) as directory,
        ):
            yield directory


@contextlib.contextmanager
def _walked(path: Path, *, make: bool) -> Iterator[int]:
    """The directory of an absolute path, entered step by step from the top."""
    current = os.open("/", _DIRECTORY)
    try:
        for step in path.parts[1:]:
            following = _step(current, step, make=make)
            os.close(current)
            current = following
        yield current
    finally:
        os.close(current)


def _step(directory: int, name: str, *, make: bool) -> int:
    """A link is followed where only root could have put it; a place others can change is none."""
    if make:
        _make(directory, name)
    flags = _DIRECTORY
    found = os.stat(name, dir_fd=directory, follow_symlinks=False)
    if stat.S_ISLNK(found.st_mode) and found.st_uid == 0 and not _is_open(os.fstat(directory)):
        flags &= ~os.O_NOFOLLOW
    opened = os.open(name, flags, dir_fd=directory)
    entered = os.fstat(opened)
    is_sticky = bool(entered.st_mode & stat.S_ISVTX)
    if entered.st_uid not in {0, os.geteuid()} or (_is_open(entered) and not is_sticky):
        os.close(opened)
        raise PermissionError(f"other users can change '{name}'")
    return opened


def _is_open(directory: os.stat_result) -> bool:
    """Others can make entries in it. A user's own group is no other: many have it to themselves."""
    by_group = directory.st_mode & stat.S_IWGRP and directory.st_gid not in {0, os.getegid()}
    return bool(directory.st_mode & stat.S_IWOTH or by_group)


def _make(directory: int, name: str) -> None:
    with contextlib.suppress(FileExistsError):
        os.mkdir(name, _DIRECTORY_MODE, dir_fd=directory)
        os.fsync(directory)


@contextlib.contextmanager
def _own(parent: int, name: str, *, make: bool) -> Iterator[int]:
    """A directory that belongs to us and lets nobody else in; never a link to one."""
    if make:
        _make(parent, name)
    opened = os.open(name, _DIRECTORY, dir_fd=parent)
    try:
        if os.fstat(opened).st_uid != os.geteuid():
            raise PermissionError(f"'{name}' belongs to another user")
        os.fchmod(opened, _DIRECTORY_MODE)
        yield opened
    finally:
        os.close(opened)


def _put(directory: int, mark: str) -> None:
    """An empty file of this name is there afterwards."""
    if mark:
        with contextlib.suppress(FileExistsError):
            os.close(os.open(mark, _NEW, 0o400, dir_fd=directory))


def _owner(root: int, name: str) -> str:
    """The server that a directory names; empty where it names none, or cannot be looked into."""
    try:
        opened = os.open(name, _DIRECTORY, dir_fd=root)
    except OSError:
        return ""
    try:
        marks = [each for each in _names(opened) if each.startswith(_OWNER)]
    finally:
        os.close(opened)
    return marks[0].removeprefix(_OWNER) if len(marks) == 1 else ""


def _names(directory: int) -> list[str]:
    return os.listdir(directory)


def _holds(directory: int, name: str, content: bytes) -> bool:
    """The file is there, whole and as it was made."""
    try:
        opened = os.open(name, _OLD, dir_fd=directory)
    except OSError:  # missing, or something else of that name, which a rename replaces
        return False
    with os.fdopen(opened, "rb") as file:
        found = os.fstat(opened)
        return (
            stat.S_ISREG(found.st_mode)
            and stat.S_IMODE(found.st_mode) == _FILE_MODE
            and found.st_uid == os.geteuid()
            and found.st_size == len(content)
            and file.read() == content
        )


def _write(directory: int, name: str, content: bytes, unfinished: str) -> None:
    """Whole or not at all, also when the machine stops."""
    opened = os.open(unfinished, _NEW, 0o400, dir_fd=directory)
    try:
        with os.fdopen(opened, "wb") as file:
            file.write(content)
            file.flush()
            os.fchmod(opened, _FILE_MODE)
            os.fsync(opened)
        os.rename(unfinished, name, src_dir_fd=directory, dst_dir_fd=directory)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(unfinished, dir_fd=directory)
        raise
    os.fsync(directory)
