"""Where an instance's FIFOs and log files are."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from ring.core.model.ids import InstanceId
from ring.runtimes.containerd.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Iterator

STREAMS: Final = ("stdout", "stderr")
_USUAL: Final = Path("/var/log/ring/containerd")


@dataclass(frozen=True, slots=True)
class Stdio:
    """What a task is created with: FIFOs, which are read already, or one file for both."""

    stdout: str
    stderr: str


def log_dir(settings: Settings) -> Path:
    """Where the log files are; a server with a state of its own has logs of its own."""
    if settings.state_dir == Settings().state_dir:
        return _USUAL
    return settings.state_dir / "logs" / "containerd"


def log_file(directory: Path, instance_id: InstanceId) -> Path:
    """The newest one."""
    return directory / f"{instance_id}.log"


def log_files(directory: Path) -> Iterator[tuple[InstanceId, Path]]:
    """All there are, with whose they are."""
    try:
        found = sorted(directory.iterdir())
    except FileNotFoundError:
        return
    for path in found:
        stem, _, number = path.name.rpartition(".log")
        if stem and (not number or (number[0] == "." and number[1:].isdecimal())):
            yield InstanceId(stem), path
