"""A small file system of a test's own, which can be filled, emptied and made read-only."""

from __future__ import annotations

import errno
import subprocess
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

SIZE_KB = 4096
_PIECE = b"x" * 4096


class Disk:
    """Mounted from construction to `close`. Needs root."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._ballast = root / "ballast"
        root.mkdir(mode=0o700)
        options = f"size={SIZE_KB}k,mode=0700"
        subprocess.run(["mount", "-t", "tmpfs", "-o", options, "ring-test", root], check=True)

    def fill(self) -> None:
        """To the last page."""
        with self._ballast.open("ab", buffering=0) as file:
            try:
                while True:
                    file.write(_PIECE)
            except OSError as error:
                if error.errno != errno.ENOSPC:
                    raise

    def free(self) -> None:
        self._ballast.unlink()

    def make_read_only(self) -> None:
        subprocess.run(["mount", "-o", "remount,ro", self.root], check=True)

    def make_writable(self) -> None:
        subprocess.run(["mount", "-o", "remount,rw", self.root], check=True)

    def close(self) -> None:
        subprocess.run(["umount", self.root], check=True)
