"""What is asked of this machine's kernel before a specification promises it."""

from __future__ import annotations

import os
import re

_RELEASE = re.compile(r"(\d+)\.(\d+)")


def is_at_least(major: int, minor: int) -> bool:
    """Of the kernel's release; what does not say one is none of these."""
    found = _RELEASE.match(os.uname().release)
    return found is not None and (int(found[1]), int(found[2])) >= (major, minor)
