"""Reads what people name on a command line or in a manifest: bounded, and without waiting for ever.

A path may be anything: a directory, a pipe that nobody writes to, a device without an end.
"""

from __future__ import annotations

import codecs
import os
from typing import TYPE_CHECKING, Final

from ring.manifest.errors import Mark, Unreadable

if TYPE_CHECKING:
    from pathlib import Path

LARGEST: Final = 8 << 20  # bytes


def read(path: Path) -> bytes:
    """All of a file. Raises Unreadable.

    A named pipe is read to its end if somebody has it open for writing, and is empty otherwise.
    """
    try:
        with open(path, "rb", opener=_at_once) as file:
            os.set_blocking(file.fileno(), True)
            return bounded(file.read(LARGEST + 1))
    except OSError as error:
        raise Unreadable((error.strerror or "unreadable").lower()) from error
    except ValueError as error:  # a NUL in the name
        raise Unreadable("no such file or directory") from error


def bounded(raw: bytes) -> bytes:
    """The same bytes. Raises Unreadable when there are more than LARGEST."""
    if len(raw) > LARGEST:
        raise Unreadable(f"larger than {LARGEST >> 20} MiB")
    return raw


def text(raw: bytes) -> str:
    """Bytes as UTF-8 text. Raises Unreadable, which has the place of the first bad byte."""
    try:
        return raw.decode()
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        before = raw[raw.rfind(b"\n", 0, error.start) + 1 : error.start]
        mark = Mark(line, len(before.decode()) + 1)
        raise Unreadable(f"not UTF-8 text (byte 0x{raw[error.start]:02x})", mark) from error


def without_mark(raw: bytes) -> bytes:
    """Without the byte order mark that some editors put first."""
    return raw.removeprefix(codecs.BOM_UTF8)


def _at_once(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NONBLOCK)
