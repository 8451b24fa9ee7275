"""Network namespaces with a name, as `ip netns` has them: a mount each below /run/netns.

A named one is there without any process in it, and stays when the last one has ended.
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import logging
import os
import socket
import struct
import threading
from errno import EINVAL, ENOENT
from pathlib import Path
from typing import TYPE_CHECKING, Final

from ring.network import locks

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

DIRECTORY: Final = Path("/run/netns")
OWN: Final = "/proc/thread-self/ns/net"
TURN_S: Final = 2.0
_MACHINES: Final = (Path("/proc/self/ns/net"), Path("/proc/1/ns/net"))
"""The server's, and init's: another, where the server is in a container and sees every process."""

_CLONE_NEWNET: Final = 0x40000000
_MS_BIND: Final = 0x1000
_MS_REC: Final = 0x4000
_MS_SHARED: Final = 1 << 20
_MNT_DETACH: Final = 2
_GET_FLAGS: Final = 0x8913
_SET_FLAGS: Final = 0x8914
"""netdevice(7)"""
_UP: Final = 1
_FLAGS: Final = struct.Struct("16sh22x")
"""struct ifreq"""

_libc = ctypes.CDLL(None, use_errno=True)
_first = threading.Lock()
"""Held by the thread that makes the directory a mount."""
_log = logging.getLogger(__name__)


def path_of(name: str, directory: Path = DIRECTORY) -> Path:
    return directory / name


def make(name: str, directory: Path = DIRECTORY) -> Path:
    """A new one, with its loopback up; one that has the name is removed before. Raises OSError.

    Takes a millisecond or some. Blocks.
    """
    path = path_of(name, directory)
    _prepare(directory)
    remove(name, directory)
    _placed(path, _unshared)
    return path


@contextlib.contextmanager
def opened(pid: int) -> Iterator[int]:
    """A descriptor of the namespace that this process is in. Raises OSError.

    It stays that one when the process ends, and another gets its number.
    """
    descriptor = os.open(f"/proc/{pid}/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def bring_back(name: str, namespace: int, directory: Path = DIRECTORY) -> bool:
    """The name leads to the namespace that this is a descriptor of. Raises OSError. Blocks.

    Returns whether it did not before. Never to the machine's own: plugins that take away an
    instance's eth0 would take the machine's.
    """
    path = path_of(name, directory)
    wanted = os.fstat(namespace)
    if any(_is(own, wanted) for own in _MACHINES):
        raise OSError(f"what {path} is to lead to is the network namespace of the machine itself")
    if is_there(path) and os.path.samestat(path.stat(), wanted):
        return False
    _prepare(directory)
    remove(name, directory)
    _placed(path, lambda target: _mount(f"/proc/self/fd/{namespace}", target, _MS_BIND))
    return True


def _is(path: Path, wanted: os.stat_result) -> bool:
    try:
        return os.path.samestat(path.stat(), wanted)
    except OSError:
        return False


def is_there(path: Path) -> bool:
    """It is a namespace, and not what is left of one. Takes some microseconds."""
    try:
        return path.stat().st_dev == _MACHINES[0].stat().st_dev
    except OSError:
        return False


def remove(name: str, directory: Path = DIRECTORY) -> None:
    """With all its interfaces, once no process is in it. Gone already is success.

    Raises OSError. Blocks.
    """
    path = path_of(name, directory)
    # One mount may be over another.
    while _libc.umount2(os.fsencode(path), _MNT_DETACH) == 0:
        pass
    if ctypes.get_errno() not in {EINVAL, ENOENT}:
        _fail(os.fspath(path))
    path.unlink(missing_ok=True)


def _prepare(directory: Path) -> None:
    """The directory, so that a mount below it is seen in every mount namespace that has it."""
    directory.mkdir(mode=0o755, parents=True, exist_ok=True)
    if _is_shared(directory):
        return
    with _first, _turn_of_ip(directory):
        if not _is_shared(directory):
            _mount(os.fspath(directory), directory, _MS_BIND | _MS_REC)
            _mount("", directory, _MS_SHARED | _MS_REC)


def _is_shared(directory: Path) -> bool:
    """From now on, where it is a mount."""
    try:
        _mount("", directory, _MS_SHARED | _MS_REC)
    except OSError as error:
        if error.errno != EINVAL:
            raise
        return False
    return True


@contextlib.contextmanager
def _turn_of_ip(directory: Path) -> Iterator[None]:
    """`ip netns` has the lock of the directory while it makes it a mount: done by two at once it
    becomes many. That takes no time, so whoever keeps the lock for longer is somebody else: anybody
    may, and is not waited for.
    """
    opened = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        if not locks.is_taken(opened, TURN_S):
            _log.warning("another process keeps the lock of %s: not waited for", directory)
        yield
    finally:
        os.close(opened)


def _placed(path: Path, mount: Callable[[Path], None]) -> None:
    """Leaves nothing at the path when it fails."""
    os.close(os.open(path, os.O_RDONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o444))
    try:
        mount(path)
    except BaseException:
        with contextlib.suppress(OSError):
            path.unlink()
        raise


def _unshared(path: Path) -> None:
    """In a thread of its own, which ends: no other one is to be in another namespace."""
    failed: list[OSError] = []

    def unshare() -> None:
        try:
            if _libc.unshare(_CLONE_NEWNET) != 0:
                _fail("unshare")
            _loopback_up()
            _mount(OWN, path, _MS_BIND)
        except OSError as error:
            failed.append(error)

    thread = threading.Thread(target=unshare, name="netns")
    thread.start()
    thread.join()
    if failed:
        raise failed[0]


def _loopback_up() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as place:
        told = fcntl.ioctl(place, _GET_FLAGS, _FLAGS.pack(b"lo", 0))
        flags = _FLAGS.unpack(told)[1]
        fcntl.ioctl(place, _SET_FLAGS, _FLAGS.pack(b"lo", flags | _UP))


def _mount(source: str, target: Path, flags: int) -> None:
    if _libc.mount(source.encode(), os.fsencode(target), b"none", ctypes.c_ulong(flags), None) != 0:
        _fail(os.fspath(target))


def _fail(what: str) -> None:
    error = ctypes.get_errno()
    raise OSError(error, os.strerror(error), what)
