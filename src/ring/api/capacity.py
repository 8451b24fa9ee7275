"""How many connections there may be at once."""

from __future__ import annotations

import resource

MOST = 1000
MOST_OF_PEER = 256
"""Of one peer that is not this machine: a proxy in front is one, and so is an IPv6 /64."""
SPARE = 64
"""Refused ones that are still heard out; further ones are closed at once."""
_RESERVED_FILES = 256
"""Kept for the database, the engines and their streams."""
_LEAST = 16


def most_connections() -> int:
    """What the limit of open files leaves, and never more than MOST."""
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if files == resource.RLIM_INFINITY:
        return MOST
    return min(MOST, max(_LEAST, files - _RESERVED_FILES))
