"""One server a database: an advisory lock on a file beside it, which the kernel frees with us."""

from __future__ import annotations

import fcntl
import os
from typing import TYPE_CHECKING

from ring.core.errors import HostError

if TYPE_CHECKING:
    from pathlib import Path


class DatabaseLock:
    """Held from construction to `release`. The file stays: removing it would let two in."""

    def __init__(self, database: Path) -> None:
        """Raises HostError naming the database, and the pid of the server that holds it."""
        real = database.resolve()
        try:
            self._fd = os.open(real.with_name(f"{real.name}.lock"), os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise HostError(
                f"cannot open database {database}: {error.strerror} in {real.parent}"
            ) from error
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            reason = self._holder() if isinstance(error, BlockingIOError) else error.strerror
            self.release()
            raise HostError(f"cannot open database {database}: {reason}") from error
        os.ftruncate(self._fd, 0)
        os.pwrite(self._fd, f"{os.getpid()}\n".encode(), 0)

    def _holder(self) -> str:
        pid = os.pread(self._fd, 32, 0).decode("ascii", "replace").strip() or "unknown"
        return f"the Ring server with pid {pid} is using it; stop it first, or use another database"

    def release(self) -> None:
        """Idempotent."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1
