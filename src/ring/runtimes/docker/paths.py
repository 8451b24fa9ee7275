"""Names from outside as parts of the engine's paths: none may lead to another place of its API."""

from __future__ import annotations

import re
from urllib.parse import quote

_CLEAN = re.compile(r"(?:/[A-Za-z0-9._~:@%-]+)+")


def is_segment(name: str) -> bool:
    """It names one thing below a path: the engine joins and shortens paths before it reads them."""
    return name not in {"", ".", ".."} and "/" not in name


def are_segments(name: str) -> bool:
    """So is each part between its slashes."""
    return all(is_segment(part) for part in name.split("/"))


def quoted(name: str) -> str:
    return quote(name, safe="/:@")


def is_clean(path: str) -> bool:
    """Every segment is quoted, and leads downwards."""
    return _CLEAN.fullmatch(path) is not None and are_segments(path[1:])
