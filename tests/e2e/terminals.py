"""The command line as somebody at a terminal has it."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import termios
import time
from typing import TYPE_CHECKING

from tests.e2e.ring import program

if TYPE_CHECKING:
    from types import TracebackType

    from tests.e2e.ring import Ring

WITHIN_S = 20.0


class AtTerminal:
    """One command whose standard streams are a terminal of its own."""

    def __init__(self, ring: Ring, *args: str, rows: int = 24, columns: int = 80) -> None:
        self._terminal, self._inside = pty.openpty()
        self.resize(rows, columns)
        self.before = termios.tcgetattr(self._inside)
        self.seen = b""
        self.process = subprocess.Popen(
            ["setsid", "--ctty", *program(), *args],
            stdin=self._inside,
            stdout=self._inside,
            stderr=self._inside,
            env=ring.environment,
            cwd=ring.home,
        )

    def __enter__(self) -> AtTerminal:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self._inside)
        os.close(self._terminal)

    def resize(self, rows: int, columns: int) -> None:
        fcntl.ioctl(self._terminal, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def type(self, keys: str) -> None:
        os.write(self._terminal, keys.encode())

    def read_until(self, pattern: str) -> re.Match[bytes]:
        """What is seen is taken up to its end."""
        until = time.monotonic() + WITHIN_S
        while (found := re.search(pattern.encode(), self.seen)) is None:
            left = until - time.monotonic()
            readable, _, _ = select.select([self._terminal], [], [], max(0.0, left))
            assert readable, f"no {pattern!r} in {self.seen!r}"
            with contextlib.suppress(OSError):
                self.seen += os.read(self._terminal, 65536)
        self.seen = self.seen[found.end() :]
        return found

    def ended(self) -> int:
        """Its exit code."""
        return self.process.wait(WITHIN_S)

    def settings(self) -> list[object]:
        """Of the terminal, now."""
        return termios.tcgetattr(self._inside)
