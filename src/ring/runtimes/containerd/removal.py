"""Folders that programs have filled are removed, however deep they are."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


def remove(folder: Path) -> None:
    """Nothing there is success. Blocks. Raises OSError.

    shutil goes as deep as Python does, and no further; rm of the coreutils goes all the way.
    """
    try:
        with suppress(FileNotFoundError):
            shutil.rmtree(folder)
    except RecursionError:
        command = ["rm", "-r", "-f", "--one-file-system", "--", os.fspath(folder)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - a fixed program
        if done.returncode != 0:
            raise OSError(errno.EIO, done.stderr.strip()[:500], os.fspath(folder)) from None
