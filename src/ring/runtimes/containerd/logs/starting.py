"""Starts the log keeper, which is no child of the server by then."""

from __future__ import annotations

import functools
import subprocess
import sys
import zlib
from pathlib import Path
from typing import Final

from ring.runtimes import containerd

_PROGRAM: Final = Path(containerd.__file__).with_name("logkeeper")
_START_S: Final = 20.0
_IDLE_S: Final = 60.0
"""How long a keeper stays that has nothing to read, and whose server has gone."""


@functools.cache
def version() -> str:
    """Of the program, by what it is: a server that finds another one running replaces it."""
    files = sorted(_PROGRAM.glob("*.py"))
    return f"{zlib.crc32(b''.join(file.read_bytes() for file in files)):08x}"


def start(
    directory: Path, log_dir: Path, max_bytes: int, max_files: int, *, idle_s: float = _IDLE_S
) -> None:
    """Returns once it reads every instance of the directory, or another one does.

    Raises OSError, whose message is the keeper's own last word. Blocks.
    """
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    arguments = [directory, log_dir, max_bytes, max_files, version(), idle_s]
    words = directory / "logs.err"
    with words.open("wb") as errors:
        words.chmod(0o600)
        try:
            ended = subprocess.run(  # noqa: S603 - this interpreter, and a file beside this one
                [sys.executable, "-I", "-S", _PROGRAM / "__main__.py", *map(str, arguments)],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=errors,
                cwd="/",
                env={},
                start_new_session=True,
                timeout=_START_S,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise OSError("it takes too long to start") from error
    if ended.returncode:
        said = words.read_text(errors="replace").strip().splitlines()
        raise OSError(said[-1] if said else f"it ended with {ended.returncode}")
