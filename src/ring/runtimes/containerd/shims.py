"""Shims that containerd has lost: it knows no task of theirs, and nothing else ends them.

One is left by a creation of a task that nobody waited for any more, such as of a server that was
killed: containerd (seen with 1.6) cleans up after it, and not the process.
"""

from __future__ import annotations

import os
import signal
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ring.core.model.ids import InstanceId

PROCESSES: Final = Path("/proc")
_PROGRAM: Final = "containerd-shim"


def end(socket: Path, namespace: str, instance_id: InstanceId, processes: Path = PROCESSES) -> int:
    """Kills those of an instance that has no task; how many. What they have started is in its
    control group. Blocks: it looks at every process."""
    found = list(_of(os.path.realpath(socket), namespace, instance_id, processes))
    for pid in found:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    return len(found)


def _of(socket: str, namespace: str, instance_id: InstanceId, processes: Path) -> Iterator[int]:
    for entry in processes.iterdir():
        if not entry.name.isdigit():
            continue
        try:
            argv = os.fsdecode((entry / "cmdline").read_bytes()).split("\0")
        except OSError:
            continue
        if (
            Path(argv[0]).name.startswith(_PROGRAM)
            and _told(argv, "-namespace") == namespace
            and _told(argv, "-id") == instance_id
            and os.path.realpath(_told(argv, "-address") or "/") == socket
        ):
            yield int(entry.name)


def _told(argv: list[str], option: str) -> str | None:
    with suppress(ValueError, IndexError):
        return argv[argv.index(option) + 1]
    return None
