"""FIFOs that programs write their output to: opened for reading, and as large as there is room for.

What pipes of a user may hold in all is bounded (pipe(7), pipe-user-pages-soft). Beyond it, whatever
processes of that user open gets two pages, in containers of root's as well.
"""

# pathlib and contextlib are half of what this process would weigh.
# ruff: noqa: SIM105

from __future__ import annotations

import fcntl
import os
import stat

LARGEST_BYTES = 1024 * 1024
"""What a FIFO should hold while nobody reads it."""
USUAL_BYTES = 64 * 1024
"""What it holds by itself."""

_SOFT_LIMIT = "/proc/sys/fs/pipe-user-pages-soft"
_OF_AN_INSTANCE = 2
_SHARE = 4
"""The part of what is allowed that may be taken: one in so many."""


def opened(path: str, size_bytes: int) -> int:
    """Before any writer or after. The kernel may refuse the size. Raises OSError."""
    fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOFOLLOW)
    if not stat.S_ISFIFO(os.fstat(fd).st_mode):
        os.close(fd)
        raise OSError(f"{path} is no FIFO")
    try:
        fcntl.fcntl(fd, fcntl.F_SETPIPE_SZ, size_bytes)
    except OSError:
        pass
    return fd


def size_bytes(instances: int, soft_limit: str = _SOFT_LIMIT) -> int:
    """Of each FIFO of so many instances, that they leave most of what is allowed to programs."""
    allowed = _allowed_bytes(soft_limit)
    size = LARGEST_BYTES
    while size > USUAL_BYTES and size * _OF_AN_INSTANCE * instances * _SHARE > allowed:
        size //= 2
    return size


def _allowed_bytes(soft_limit: str) -> float:
    try:
        with open(soft_limit, "rb") as file:  # noqa: PTH123 - see above
            pages = int(file.read())
    except (OSError, ValueError):
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE") if pages else float("inf")
