"""Which file the database is."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from ring.settings.sources import Environ, config_dir
from ring.settings.trust import expect_own_database

if TYPE_CHECKING:
    from collections.abc import Mapping

_OF_ROOT = Path("/var/lib/ring/ring.db")


class Database(NamedTuple):
    path: Path
    is_default: bool
    """Nobody named it: its directory is made (0700) when missing."""
    warnings: tuple[str, ...] = ()


def find_database(environ: Environ) -> Database:
    """The database of this environment. Raises HostError for one that a stranger could change."""
    if named := environ.get("RING_DATABASE_PATH"):
        return Database(Path(named), is_default=False)
    path = _default(environ)
    stray = Path.cwd() / "ring.db"
    if path.exists() or not stray.is_file():
        return Database(path, is_default=True)
    expect_own_database(stray)
    warning = (
        f"using the database {stray} of the working directory, because {path} does not exist; "
        f"move it there, or name it in RING_DATABASE_PATH"
    )
    return Database(stray, is_default=False, warnings=(warning,))


def _default(environ: Mapping[str, str]) -> Path:
    as_root = os.geteuid() == 0 and not environ.get("RING_CONFIG_DIR")
    return _OF_ROOT if as_root else config_dir(environ) / "ring.db"
