"""Mounts that nobody else sees, and paths in them that cannot lead out.

A thread of its own makes them in a mount namespace of its own: with the thread the namespace ends,
and what is kept of the mount is a file descriptor. Its close is the unmount, also when the server
is killed. (The newer calls, fsopen and fsconfig, take no text longer than 255 bytes, which the
layers of an image soon are.)
"""

from __future__ import annotations

import ctypes
import errno
import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

_libc = ctypes.CDLL(None, use_errno=True)
_CLONE_NEWNS: Final = 0x00020000
_MS_RDONLY: Final = 1
_MS_NOSUID: Final = 2
_MS_NODEV: Final = 4
_MS_NOEXEC: Final = 8
_MS_REMOUNT: Final = 32
_MS_BIND: Final = 4096
_MS_REC: Final = 16384
_MS_PRIVATE: Final = 1 << 18
_FLAGS: Final = {
    "ro": _MS_RDONLY,
    "nosuid": _MS_NOSUID,
    "nodev": _MS_NODEV,
    "noexec": _MS_NOEXEC,
    "sync": 16,
    "mand": 64,
    "dirsync": 128,
    "noatime": 1024,
    "nodiratime": 2048,
    "bind": _MS_BIND,
    "rbind": _MS_BIND | _MS_REC,
    "relatime": 1 << 21,
    "strictatime": 1 << 24,
}
_NOTHING: Final = frozenset({"rw", "defaults"})
_SAFE: Final = _MS_NOSUID | _MS_NODEV | _MS_NOEXEC
"""Of an image nothing is run here, and none of its devices are opened."""
_UMOUNT_DETACHED: Final = 2 | 8  # MNT_DETACH | UMOUNT_NOFOLLOW
_PLACE: Final = "/proc"
"""Any folder that is always there: in the namespace of the thread it is hidden for a moment."""
_OPENAT2: Final = 437
_RESOLVE_NO_MAGICLINKS: Final = 0x02
_RESOLVE_IN_ROOT: Final = 0x10
_MOST_TRIES: Final = 64
_OPEN_TREE: Final = 428
_OPEN_TREE_CLONE: Final = 1
_AT_RECURSIVE: Final = 0x8000
_AT_FDCWD: Final = -100
"""open_tree(2)"""


class Mount(Protocol):
    """As containerd tells of a snapshot's; its own message is one."""

    @property
    def type(self) -> str: ...
    @property
    def source(self) -> str: ...
    @property
    def options(self) -> Sequence[str]: ...


@dataclass(frozen=True, slots=True)
class _Call:
    """One mount(2)."""

    source: str
    type: str
    flags: int
    data: str
    directory: str | None = None
    """Where relative paths of the data begin."""


def apart(mounts: Sequence[Mount], *, writable: bool) -> int:
    """The root of what is mounted, one over the other. Whoever gets it closes it.

    Raises OSError, also for a kind that needs a program to be mounted.
    """
    calls = [_call(mount, writable=writable) for mount in mounts]
    if not calls:
        raise OSError(errno.EINVAL, "there is nothing to mount")
    return _in_thread(lambda: _mounted(calls))


def mount(source: str, target: Path, kind: str, data: str) -> None:
    """For everybody to see. Raises OSError."""
    _mount(_Call(source, kind, _MS_NODEV, data), os.fspath(target))


def unmount(target: Path) -> None:
    """Also one that is in use: it goes with its last user. Raises OSError."""
    if _libc.umount2(os.fsencode(target), _UMOUNT_DETACHED) != 0:
        raise _error()


def open_in(root: int, path: str, flags: int) -> int:
    """Opens a path as it is inside of `root`: no link and no `..` leads out. Raises OSError."""
    how = (ctypes.c_uint64 * 3)(flags | os.O_CLOEXEC, 0, _RESOLVE_IN_ROOT | _RESOLVE_NO_MAGICLINKS)
    for _ in range(_MOST_TRIES):
        found: int = _libc.syscall(
            _OPENAT2, root, os.fsencode(path), how, ctypes.c_size_t(ctypes.sizeof(how))
        )
        if found >= 0:
            return found
        # Somebody renames something anywhere: whether `..` stayed inside is not known then.
        if ctypes.get_errno() not in {errno.EAGAIN, errno.EINTR}:
            break
    raise _error(path)


def _mounted(calls: Sequence[_Call]) -> int:
    if _libc.unshare(_CLONE_NEWNS) != 0:
        raise _error()
    _mount(_Call("none", "", _MS_REC | _MS_PRIVATE, ""), "/")
    for call in calls:
        if call.directory is not None:
            os.chdir(call.directory)  # this thread's alone
        _mount(call, _PLACE)
        if call.flags & _MS_BIND:
            # The first call knows no other flag of a bind.
            flags = (call.flags & ~_MS_REC) | _MS_REMOUNT
            _mount(_Call("none", "", flags, ""), _PLACE)
    # A copy, in a namespace that is as long as it is: of a mount whose namespace has gone with this
    # thread, the kernel takes its every step over a link for a change of mounts, see `open_in`.
    flags = _OPEN_TREE_CLONE | os.O_CLOEXEC | _AT_RECURSIVE
    found: int = _libc.syscall(_OPEN_TREE, _AT_FDCWD, os.fsencode(_PLACE), flags)
    if found < 0:
        raise _error(_PLACE)
    return found


def _mount(call: _Call, target: str) -> None:
    data = os.fsencode(call.data) or None
    kind = os.fsencode(call.type) or None
    arguments = (os.fsencode(call.source), os.fsencode(target), kind)
    if _libc.mount(*arguments, ctypes.c_ulong(call.flags), data) != 0:
        raise _error(call.source)


def _call(mount: Mount, *, writable: bool) -> _Call:
    flags, data = 0, []
    for option in mount.options:
        if option in _FLAGS:
            flags |= _FLAGS[option]
        elif option not in _NOTHING:
            data.append(option)
    flags |= _SAFE if writable else _SAFE | _MS_RDONLY
    if mount.type != "overlay":
        return _Call(mount.source, mount.type, flags, ",".join(data))
    layers = _read_only_layers(data) if not writable else data
    directory, shortened = _shortened(layers)
    return _Call(mount.source, mount.type, flags, ",".join(shortened), directory)


def _read_only_layers(data: Sequence[str]) -> list[str]:
    """With the upper layer as one more lower one: to look at it changes nothing, not even the
    folder that the kernel works in."""
    given = dict(option.partition("=")[::2] for option in data)
    upper = given.get("upperdir")
    if upper is None:
        return list(data)
    others = [
        o for o in data if not o.startswith(("upperdir=", "workdir=", "lowerdir=", "volatile"))
    ]
    return [*others, f"lowerdir={upper}:{given.get('lowerdir', '')}".rstrip(":")]


def _shortened(data: Sequence[str]) -> tuple[str | None, list[str]]:
    """Lower layers relative to the folder that they are all below: all of the data must fit in one
    page of memory."""
    prefix = "lowerdir="
    layers = [o.removeprefix(prefix).split(":") for o in data if o.startswith(prefix)]
    paths = [path for layer in layers for path in layer]
    if len(paths) < 2 or not all(path.startswith("/") for path in paths):
        return None, list(data)
    common = os.path.commonpath(paths)
    relative = ":".join(os.path.relpath(path, common) for path in paths)
    others = [option for option in data if not option.startswith(prefix)]
    return common, [*others, f"{prefix}{relative}"]


def _in_thread(work: Callable[[], int]) -> int:
    """In one that ends with it."""
    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="mounting") as thread:
        return thread.submit(work).result()


def _error(path: str | None = None) -> OSError:
    number = ctypes.get_errno()
    return OSError(number, os.strerror(number), path)
