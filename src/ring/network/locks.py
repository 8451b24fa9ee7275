"""Turns among the processes of this machine: every wait for one ends."""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

DEADLINE_S: Final = 30.0
"""More than any holder needs: the slowest runs iptables twice, for 10 s each at most."""
FILE: Final = ".ring.lock"
"""Nobody takes it for a configuration of CNI: those end in .conf, .conflist or .json."""
_LOOK_S: Final = 0.01


@contextlib.contextmanager
def alone_in(directory: Path, within_s: float = DEADLINE_S) -> Iterator[None]:
    """Whoever else asks for the same directory, which is made, waits until this is left.

    Blocks, for within_s at most. Raises OSError, a TimeoutError where another keeps it.
    """
    directory.mkdir(mode=0o755, parents=True, exist_ok=True)
    path = directory / FILE
    until = time.monotonic() + within_s
    while True:
        # A file of its own: whoever may read the directory may lock that, and for ever.
        opened = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            if not is_taken(opened, until - time.monotonic()):
                raise TimeoutError(
                    f"another process has held the lock of {path} for {within_s:g} s: lslocks "
                    "shows which one"
                )
            # One that was deleted meanwhile keeps nobody out.
            if os.fstat(opened).st_nlink:
                yield
                return
        finally:
            os.close(opened)


def is_taken(descriptor: int, within_s: float) -> bool:
    """By us, from now until it is closed. False: others have had it all this time.

    Blocks. Raises OSError.
    """
    until = time.monotonic() + within_s
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= until:
                return False
            time.sleep(_LOOK_S)
        else:
            return True
