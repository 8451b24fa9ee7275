"""The small init of this host that is put before an instance's program."""

from __future__ import annotations

import os
import shutil
import struct
from pathlib import Path
from typing import Final

from ring.core.model.failures import FailureClass
from ring.runtimes.base import RuntimeFailure

NAMES: Final = ("docker-init", "tini-static", "tini", "catatonit")
"""All take `-- program argument…`."""
_MORE_PLACES: Final = (
    "/usr/local/bin",
    "/usr/bin",
    "/usr/sbin",
    "/usr/libexec/docker",
    "/usr/libexec/podman",
    "/usr/lib/podman",
)
_INTERPRETER: Final = 3  # PT_INTERP
_MOST_BYTES: Final = 64 * 1024


def find_init(path: str | None = None) -> str:
    """The first that needs nothing else: an image has other libraries than this host, or none.

    path: folders to look in, as PATH has them. Raises RuntimeFailure(INSTANCE_REJECTED), which
    names the packages.
    """
    if path is None:
        path = os.pathsep.join((os.environ.get("PATH", os.defpath), *_MORE_PLACES))
    for name in NAMES:
        found = shutil.which(name, path=path)
        if found and not _needs_libraries(Path(found)):
            return os.path.realpath(found)
    raise RuntimeFailure(
        FailureClass.INSTANCE_REJECTED,
        "init: neither docker-init, tini nor catatonit is on the server's host as a program "
        "without libraries: install the package 'tini' (with tini-static) or 'catatonit'",
    )


def _needs_libraries(program: Path) -> bool:
    """An ELF file that names an interpreter. What cannot be read as one is taken as it is."""
    try:
        with program.open("rb") as file:
            head = file.read(_MOST_BYTES)
    except OSError:
        return True
    if head[:4] != b"\x7fELF":
        return False
    is_wide, order = head[4] == 2, "<" if head[5] == 1 else ">"
    where = struct.unpack_from(f"{order}Q" if is_wide else f"{order}I", head, 32 if is_wide else 28)
    size, count = struct.unpack_from(f"{order}HH", head, 54 if is_wide else 42)
    offsets = (where[0] + index * size for index in range(count))
    return any(
        struct.unpack_from(f"{order}I", head, offset)[0] == _INTERPRETER
        for offset in offsets
        if offset + 4 <= len(head)
    )
