"""Logs that instances' shims write by themselves, while there is no log keeper.

Given a file in place of FIFOs, containerd's shim appends what a task writes, as it comes: without
times, both streams into one file, which is never turned over.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

from ring.runtimes.containerd.logkeeper.files import LogFile
from ring.runtimes.containerd.logkeeper.records import Stamps
from ring.runtimes.containerd.logs.places import Stdio, log_file

if TYPE_CHECKING:
    from ring.core.model.ids import InstanceId
    from ring.runtimes.containerd.logkeeper.files import Limits

_LOOK_S: Final = 0.02


def hand_over(limits: Limits, instance_id: InstanceId) -> Stdio:
    """The file, for a task that is to be made. Blocks. Raises OSError.

    It is there before the shim, which would let others read it.
    """
    LogFile(limits, instance_id).hand_over(Stamps().at(time.time_ns()))
    directory, name = os.path.split(log_file(Path(limits.directory), instance_id))
    # By two names: of one, as of a `file:` URI, the shim closes the file at the end of the first
    # stream, and what is written to the other after it is lost (seen with containerd 1.6).
    return Stdio(f"{directory}/{name}", f"{directory}/./{name}")


async def written(directory: Path, instance_id: InstanceId) -> None:
    """Returns once the file has all that its shim will write. Raises OSError."""
    path = log_file(directory, instance_id)
    while True:
        if not await asyncio.to_thread(_has_writer, path):
            return
        await asyncio.sleep(_LOOK_S)


def _has_writer(path: Path) -> bool:
    """Somebody has it open for writing: then the kernel refuses a lease for reading."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    except FileNotFoundError:
        return False
    try:
        # Whoever opens it meanwhile has the lease broken, by a signal that would end this process.
        fcntl.fcntl(fd, fcntl.F_SETSIG, signal.SIGURG)
        fcntl.fcntl(fd, fcntl.F_SETLEASE, fcntl.F_RDLCK)
    except BlockingIOError:
        return True
    finally:
        os.close(fd)
    return False
