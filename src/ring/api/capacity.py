"""How many connections there may be at once."""

from __future__ import annotations

import resource

from ring.engine.reading import places

MOST = 1000
MOST_OF_PEER = 256
"""Of one peer that is not this machine: a proxy in front is one, and so is an IPv6 /64."""
SPARE = 64
"""Refused ones that are still heard out; further ones are closed at once."""
CHANNELS = 128
"""Into instances, at once: each holds a connection on its other side, too."""
RESERVED_FILES = places.MOST + CHANNELS + SPARE + 128
"""Kept for logs being read, what is done in instances, refused connections, and the rest: the
database, and all other calls to an engine, of which a lane holds few at a time."""
_LEAST = 16


def most_connections() -> int:
    """What the limit of open files leaves, and never more than MOST."""
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if files == resource.RLIM_INFINITY:
        return MOST
    return min(MOST, max(_LEAST, files - RESERVED_FILES))
