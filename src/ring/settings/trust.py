"""Whether files may be used that nobody named: a stranger must not have been able to plant them."""

from __future__ import annotations

import os
import shlex
import stat
from pathlib import Path

from ring.core.errors import HostError

HOMELESS = Path("/tmp/.config/ring")  # noqa: S108 - the documented place without HOME, checked here

_OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH
_OTHERS_OPEN = _OTHERS_WRITE | stat.S_IRGRP | stat.S_IROTH


def expect_trusted(directory: Path) -> None:
    """Raises HostError when others can change what is in the config directory without HOME.

    Any other directory was chosen by its user, and passes.
    """
    if directory != HOMELESS:
        return
    for place in (directory.parent, directory):
        _expect_own(place, "set HOME, or name a config directory in RING_CONFIG_DIR")


def expect_own_database(database: Path) -> None:
    """Raises HostError when others can change a database that was only found."""
    way_out = "name the database in RING_DATABASE_PATH, or take the file and its directory over"
    for place in (database.parent, database):
        _expect_own(place, f"{way_out} (chown, chmod go-w)")


def openness(database: Path) -> str | None:
    """The warning for a database that other users can open."""
    try:
        mode = database.stat().st_mode
    except OSError:
        return None
    if not mode & _OTHERS_OPEN:
        return None
    return (
        f"the database {database} can be opened by other users of this machine: "
        f"run `chmod go= {shlex.quote(str(database))}*`"
    )


def _expect_own(place: Path, way_out: str) -> None:
    """A missing place passes; of a link, both it and what it leads to are looked at."""
    try:
        found = (place.lstat(), place.stat())
    except FileNotFoundError:
        return
    except OSError as error:
        reason = (error.strerror or "unreadable").lower()
        raise HostError(f"cannot look at {place}: {reason}") from error
    if any(entry.st_uid not in {0, os.geteuid()} for entry in found):
        raise HostError(f"refusing to use {place}: it belongs to another user; {way_out}")
    if found[1].st_mode & _OTHERS_WRITE:
        raise HostError(f"refusing to use {place}: other users can write to it; {way_out}")
