"""The control group of an instance, as a shim leaves it that did not live to take it away."""

from __future__ import annotations

import os
import signal
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ring.core.model.ids import InstanceId

ROOT: Final = Path("/sys/fs/cgroup")
EMPTY_S: Final = 2.0
"""How long the kernel may take to end what was killed."""
_LOOK_AGAIN_S: Final = 0.01


def homes(instance_id: InstanceId) -> tuple[str, str]:
    """Its group below a hierarchy's root: by the driver cgroupfs, and by systemd."""
    return f"ring/{instance_id}", f"ring.slice/ring-{instance_id}.scope"


def left_of(instance_id: InstanceId, root: Path = ROOT) -> list[Path]:
    """Its groups that are there, in every hierarchy. Takes some microseconds."""
    return [group for home in homes(instance_id) for group in _groups(root, home)]


def clear(instance_id: InstanceId, root: Path = ROOT) -> None:
    """Ends whatever is in its groups, and removes them. Blocks, for what may take a moment.

    Raises OSError: something in it does not end.
    """
    deadline = time.monotonic() + EMPTY_S
    while groups := left_of(instance_id, root):
        for group in groups:
            for pid in _inside(group):
                if not pid:  # of another numbering; 0 would be whoever kills
                    continue
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
        try:
            for group in groups:
                _remove(group)
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(_LOOK_AGAIN_S)


def _groups(root: Path, home: str) -> Iterator[Path]:
    for hierarchy in (root, *root.iterdir()):
        if (group := hierarchy / home).is_dir():
            yield group


def _inside(group: Path) -> Iterator[int]:
    """Its processes, with those of groups below it."""
    for listed in group.rglob("cgroup.procs"):
        with suppress(OSError):
            yield from map(int, listed.read_text(encoding="ascii").split())


def _remove(group: Path) -> None:
    """With those below it, the deepest first. Raises OSError."""
    for below, _, _ in os.walk(group, topdown=False):
        with suppress(FileNotFoundError):
            Path(below).rmdir()
