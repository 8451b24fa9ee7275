"""A standard stream as commands write to it: colour only where it shows, and no surprises."""

from __future__ import annotations

import io
import os
import sys
from typing import TYPE_CHECKING, TextIO

from ring.core.errors import HostError

if TYPE_CHECKING:
    from ring.settings.sources import Environ

RED = "31"
GREEN = "32"
YELLOW = "33"


def is_interactive() -> bool:
    """Whether somebody can be asked."""
    return sys.stdin is not None and sys.stdin.isatty()


def read_stdin(at_most: int = -1) -> bytes:
    """All of standard input, or its first bytes."""
    return b"" if sys.stdin is None else sys.stdin.buffer.read(at_most)


def read_line() -> str:
    """One line of standard input with its end; without one when the input is over."""
    return "" if sys.stdin is None else sys.stdin.readline()


class Terminal:
    """One output stream. Once its reader is gone, what is written to it is dropped."""

    def __init__(self, stream: TextIO | None, environ: Environ) -> None:
        self._stream = stream
        self.closed = stream is None
        self.is_terminal = stream is not None and stream.isatty()
        self.colour = self.is_terminal and not environ.get("NO_COLOR")
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(encoding="utf-8", errors="backslashreplace")

    def line(self, text: str, colour: str | None = None) -> None:
        """Write one or more lines and flush. Raises HostError when the stream takes no more."""
        self.write(self.paint(text, colour) + "\n")

    def paint(self, text: str, colour: str | None) -> str:
        """The text in a colour, if this stream shows any."""
        return f"\x1b[{colour}m{text}\x1b[0m" if colour and self.colour else text

    def write(self, text: str) -> None:
        """Write the text as it is and flush. Raises HostError when the stream takes no more."""
        if self._stream is None or self.closed:
            return
        try:
            self._stream.write(text)
            self._stream.flush()
        except BrokenPipeError:
            self._drop()
        except OSError as error:
            self._drop()
            reason = (error.strerror or "failed").lower()
            raise HostError(f"cannot write the output: {reason}") from error

    def _drop(self) -> None:
        """Point the stream at nothing, so that the interpreter's last flush misses no reader."""
        self.closed = True
        if self._stream is None:
            return
        try:
            descriptor = self._stream.fileno()
        except (OSError, ValueError):
            return
        nothing = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nothing, descriptor)
        os.close(nothing)
