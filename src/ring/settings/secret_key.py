"""The key that secrets are encrypted with: where it comes from, and what is wrong with it."""

from __future__ import annotations

import base64
import binascii
import os
import stat
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

from ring.core.errors import HostError
from ring.settings.sources import config_dir

if TYPE_CHECKING:
    from ring.settings.sources import Environ

VARIABLE: Final = "RING_SECRET_KEY"
FILE_VARIABLE: Final = "RING_SECRET_KEY_FILE"
FILE_NAME: Final = "secret-key"
KEY_BYTES: Final = 32
MODE: Final = 0o600

_LONGEST_BYTES = 4096
"""Of a key file; nothing longer is a key."""


@dataclass(frozen=True, slots=True)
class SecretKey:
    value: bytes = field(repr=False)
    """32 bytes."""
    source: str
    """The variable, or the file, for messages."""


def load_secret_key(environ: Environ) -> SecretKey:
    """RING_SECRET_KEY, else the file of RING_SECRET_KEY_FILE, else `secret-key` in the config
    directory. Raises HostError, which names the source and never shows what is in it."""
    if text := environ.get(VARIABLE, "").strip():
        return SecretKey(_decoded(text, VARIABLE), VARIABLE)
    if named := environ.get(FILE_VARIABLE, "").strip():
        path = Path(named)
        return _from_file(path, f"{path} ({FILE_VARIABLE})", must_be_private=False)
    path = config_dir(environ) / FILE_NAME
    if not path.exists():
        raise HostError(
            f"{VARIABLE} is not set, nor {FILE_VARIABLE}, and there is no {path}: "
            f"run `ring init`, or set it to the output of `openssl rand -base64 32`"
        )
    return _from_file(path, str(path), must_be_private=True)


def _from_file(path: Path, source: str, *, must_be_private: bool) -> SecretKey:
    try:
        with open(path, "rb", opener=_without_waiting) as opened:
            found = os.fstat(opened.fileno())
            if not stat.S_ISREG(found.st_mode):
                raise HostError(f"{VARIABLE}: {source} is not a file")
            mode = stat.S_IMODE(found.st_mode)
            if must_be_private and mode & ~MODE:
                raise HostError(
                    f"{VARIABLE}: {source} has mode {mode:04o}, so that others can read it: "
                    f"it must be 0600 (chmod 600 {path})"
                )
            text = opened.read(_LONGEST_BYTES).decode("ascii", "replace").strip()
    except OSError as error:
        reason = (error.strerror or "unreadable").lower()
        raise HostError(f"{VARIABLE}: cannot read {source}: {reason}") from error
    return SecretKey(_decoded(text, source), source)


def _without_waiting(path: str, flags: int) -> int:
    """A pipe in the file's place is opened, looked at and refused."""
    return os.open(path, flags | os.O_NONBLOCK | os.O_CLOEXEC)


def _decoded(text: str, source: str) -> bytes:
    where = VARIABLE if source == VARIABLE else f"{VARIABLE}: the key in {source}"
    try:
        key = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise HostError(
            f"{where} is not valid base64: it is the output of `openssl rand -base64 32`"
        ) from None
    if len(key) != KEY_BYTES:
        raise HostError(f"{where} must decode to exactly 32 bytes, got {len(key)}")
    return key
