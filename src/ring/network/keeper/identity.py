"""What makes one keeper fit for a server: Ring's version, and the network that both are in."""

from __future__ import annotations

import os


def identity(version: str) -> str:
    """Of this process."""
    return f"{version} net:{os.stat('/proc/self/ns/net').st_ino}"  # noqa: PTH116 - no path of files
