"""What a write has come to, by the header `X-Ring-Change` of its answer."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ring.cli.client import Response

_SCALED = re.compile(r"scaled; *from=([0-9]+); *to=([0-9]+)")


def is_unchanged(response: Response) -> bool:
    """Whether the deployment was as wanted already."""
    return _told(response) == "unchanged"


def scaled(response: Response) -> tuple[str, str] | None:
    """From how many to how many, where the answer says so."""
    found = _SCALED.fullmatch(_told(response))
    return (found[1], found[2]) if found else None


def _told(response: Response) -> str:
    return response.headers.get("x-ring-change", "").strip()
