"""The places settings are read from: the environment, the config directory, config.toml."""

from __future__ import annotations

import os
import stat
import tomllib
from collections.abc import Mapping
from pathlib import Path

from ring.core.errors import HostError, UserError
from ring.settings import trust

Environ = Mapping[str, str]

LOG_LEVELS = {
    "debug": "debug",
    "info": "info",
    "warning": "warning",
    "warn": "warning",
    "error": "error",
}
"""Of RING_LOG, and what each word means."""

_LONGEST_BYTES = 1024 * 1024
"""Of a config file."""


def process_environment() -> Environ:
    """The variables of this process."""
    return os.environ


def config_dir(environ: Environ) -> Path:
    """Where `config.toml`, `auth.json` and the default database live.

    Raises HostError when that is the place without HOME, and others can write there.
    """
    if chosen := environ.get("RING_CONFIG_DIR"):
        return Path(chosen)
    if home := environ.get("HOME"):
        return Path(home) / ".config" / "ring"
    trust.expect_trusted(trust.HOMELESS)
    return trust.HOMELESS


def config_path(config: Path | None, environ: Environ) -> tuple[Path, bool]:
    """The config file, and whether somebody named it."""
    if config is not None:
        return config, True
    if named := environ.get("RING_CONFIG_FILE"):
        return Path(named), True
    return config_dir(environ) / "config.toml", False


def read_config(config: Path | None, environ: Environ) -> Table:
    """The config file's top table, empty when there is no default file.

    Raises UserError for a missing named file and for broken TOML, HostError for an unreadable one.
    """
    path, named = config_path(config, environ)
    try:
        text = _content(path, is_named=named).decode("utf-8")
    except FileNotFoundError as error:
        if named:
            raise UserError(
                f"config file '{path}' does not exist (set via --config or RING_CONFIG_FILE)"
            ) from error
        return Table(path, "", {})
    except OSError as error:
        reason = (error.strerror or "unreadable").lower()
        raise HostError(f"cannot parse {path}: {reason}") from error
    except UnicodeDecodeError as error:
        raise UserError(f"cannot parse {path}: not UTF-8 at byte {error.start}") from error
    try:
        return Table(path, "", tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise UserError(f"cannot parse {path}: {error}") from error


def _content(path: Path, *, is_named: bool) -> bytes:
    """A pipe that somebody named is read to its end; one that lies there would hang every command.

    Raises OSError, HostError.
    """
    with open(path, "rb", opener=None if is_named else _without_waiting) as opened:
        if not is_named and stat.S_ISFIFO(os.fstat(opened.fileno()).st_mode):
            raise HostError(f"cannot parse {path}: it is a pipe, not a file")
        content = opened.read(_LONGEST_BYTES + 1)
    if len(content) > _LONGEST_BYTES:
        raise HostError(f"cannot parse {path}: it is larger than {_LONGEST_BYTES} bytes")
    return content


def _without_waiting(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NONBLOCK | os.O_CLOEXEC)


class Table:
    """One TOML table, read by type; a wrong value is an error that names file and key."""

    def __init__(self, file: Path, where: str, values: Mapping[str, object]) -> None:
        self.file = file
        self.where = where
        self.values = values

    def __contains__(self, key: str) -> bool:
        return key in self.values

    def path(self, key: str) -> str:
        """The dotted path of a key of this table."""
        return f"{self.where}.{key}" if self.where else key

    def wrong(self, key: str, want: str) -> UserError:
        """The error for a key whose value is not what it has to be."""
        if key not in self.values:
            return UserError(f"cannot parse {self.file}: {self.path(key)} is required ({want})")
        return UserError(
            f"cannot parse {self.file}: {self.path(key)} must be {want}, got {self.values[key]!r}"
        )

    def table(self, key: str) -> Table:
        """A subtable; an absent one is empty."""
        value = self.values.get(key, {})
        if not isinstance(value, dict):
            raise self.wrong(key, "a table")
        return Table(self.file, self.path(key), value)

    def text(self, key: str) -> str:
        value = self.values.get(key)
        if not isinstance(value, str) or not value.strip():
            raise self.wrong(key, "a non-empty string")
        return value

    def flag(self, key: str) -> bool:
        """A bool, false when absent."""
        value = self.values.get(key, False)
        if not isinstance(value, bool):
            raise self.wrong(key, "true or false")
        return value

    def whole(self, key: str) -> int:
        value = self.values.get(key)
        if not isinstance(value, int) or isinstance(value, bool):
            raise self.wrong(key, "an integer")
        return value

    def port(self, key: str) -> int:
        value = self.values.get(key)
        if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= 65535:
            raise self.wrong(key, "an integer from 1 to 65535")
        return value

    def texts(self, key: str) -> tuple[str, ...]:
        """A list of strings, empty when absent."""
        value = self.values.get(key, [])
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            raise self.wrong(key, "a list of strings")
        return tuple(value)
