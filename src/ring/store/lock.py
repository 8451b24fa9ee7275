"""One server a database: advisory locks, which the kernel frees with us.

One on a file beside it, which says who holds it; and one on the database itself, which is found
under every name that the file has.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from typing import TYPE_CHECKING

from ring.core.errors import HostError
from ring.store.trouble import explained

if TYPE_CHECKING:
    from pathlib import Path

_OPEN = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC
_WAY_OUT = "stop it first, or use another database"


class DatabaseLock:
    """Held from construction to `release`. The file stays: removing it would let two in.

    Makes the database, empty, where there is none (mode 0600, which SQLite gives its -wal and -shm
    files, too). Its descriptor is closed last: closing any descriptor of a file frees all POSIX
    locks the process holds on it. Without SQLite's own, the next program that looks into the
    database would remove its live WAL.
    """

    def __init__(self, database: Path) -> None:
        """Raises HostError naming the database, and the pid of the server that holds it."""
        real = database.resolve()
        with contextlib.ExitStack() as undo:
            try:
                self._holder = _opened(real.with_name(f"{real.name}.lock"), undo)
                if not _is_locked(self._holder):
                    raise _in_use(
                        database, f"the Ring server with pid {_pid(self._holder)} is using it"
                    )
                self._database = _opened(real, undo)
                if not _is_locked(self._database):
                    # A server that came by another name of the file, or whoever may read it.
                    raise _in_use(database, "another program holds a lock on it (see lslocks)")
            except OSError as error:
                raise HostError(f"cannot open database {database}: {explained(error)}") from error
            undo.pop_all()
        with contextlib.suppress(OSError):  # a full disk: the pid is for a message alone
            os.ftruncate(self._holder, 0)
            os.pwrite(self._holder, f"{os.getpid()}\n".encode(), 0)

    def release(self) -> None:
        """After the last connection is closed. Idempotent."""
        if self._holder >= 0:
            os.close(self._database)
            os.close(self._holder)
            self._holder = -1


def _opened(path: Path, undo: contextlib.ExitStack) -> int:
    descriptor = os.open(path, _OPEN, 0o600)
    undo.callback(os.close, descriptor)
    return descriptor


def _is_locked(descriptor: int) -> bool:
    """By us, from now on."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _in_use(database: Path, how: str) -> HostError:
    return HostError(f"cannot open database {database}: {how}; {_WAY_OUT}")


def _pid(descriptor: int) -> str:
    return os.pread(descriptor, 32, 0).decode("ascii", "replace").strip() or "unknown"
