"""Why the database cannot be used, with what to do about it. Names no path: users see it, too."""

from __future__ import annotations

import errno
import os
import sqlite3

from ring.core.errors import HostError

BACKUP = "restore it from a backup while the server is stopped"
_SPACE = "free space on the file system of the database"
_WRITABLE = "make the database and its directory writable for the server"
_OTHER_PROGRAM = "end the program that is using the database"

_OF_SQLITE = {
    sqlite3.SQLITE_FULL: _SPACE,
    sqlite3.SQLITE_IOERR: "look at the disk of the database, and whether it is full",
    sqlite3.SQLITE_CANTOPEN: "look at the permissions of the database and its directory, and "
    "whether its disk is full",
    sqlite3.SQLITE_READONLY: _WRITABLE,
    sqlite3.SQLITE_PERM: _WRITABLE,
    sqlite3.SQLITE_BUSY: _OTHER_PROGRAM,
    sqlite3.SQLITE_LOCKED: _OTHER_PROGRAM,
    sqlite3.SQLITE_CORRUPT: BACKUP,
    sqlite3.SQLITE_NOTADB: BACKUP,
}
_OF_SYSTEM = {
    errno.ENOENT: "make the directory of the database first",
    errno.ENOTDIR: "the database needs a directory of its own",
    errno.EISDIR: "name a file, not a directory",
    errno.ENOSPC: _SPACE,
    errno.EDQUOT: _SPACE,
    errno.EROFS: _WRITABLE,
    errno.EACCES: _WRITABLE,
    errno.EPERM: _WRITABLE,
}
_PRIMARY = 0xFF
"""SQLite's extended codes carry the primary one in their last byte."""


class StoreError(HostError):
    """The database could not be read or written."""


def explained(error: sqlite3.Error | OSError) -> str:
    """`<what went wrong>; <what to do>`, as far as anybody knows."""
    if isinstance(error, OSError):
        number = error.errno or 0
        reason = os.strerror(number) if number else str(error)
        way_out = _OF_SYSTEM.get(number)
    else:
        reason = str(error)
        code = getattr(error, "sqlite_errorcode", None)  # the module's own errors have none
        way_out = None if code is None else _OF_SQLITE.get(code & _PRIMARY)
    return f"{reason}; {way_out}" if way_out else reason
