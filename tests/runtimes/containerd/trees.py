"""Root file systems for tests that look into one."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class SnapshotMount:
    """As containerd tells of one."""

    type: str
    source: str
    options: Sequence[str]


def bound(path: Path) -> list[SnapshotMount]:
    """A snapshot that is one folder."""
    return [SnapshotMount("bind", os.fspath(path), ("rbind", "rw"))]


def overlaid(base: Path, layers: Sequence[Mapping[str, str]]) -> list[SnapshotMount]:
    """A snapshot above layers of files with their content, the lowest first."""
    lower = []
    for number, files in enumerate(layers):
        root = base / "snapshots" / f"{number}" / "fs"
        root.mkdir(parents=True)
        for path, content in files.items():
            file = root / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(content)
        lower.append(os.fspath(root))
    upper, work = base / "snapshots" / "top" / "fs", base / "snapshots" / "top" / "work"
    upper.mkdir(parents=True)
    work.mkdir()
    options = (
        f"workdir={work}",
        f"upperdir={upper}",
        f"lowerdir={':'.join(reversed(lower))}",
    )
    return [SnapshotMount("overlay", "overlay", options)]
