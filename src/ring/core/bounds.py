"""How much a deployment body may hold: beyond it, a check ends early and says so."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from ring.core.violations import Violation

if TYPE_CHECKING:
    from collections.abc import Mapping

MOST_VIOLATIONS: Final = 1000
"""In one answer, its last word included."""
MOST_UNKNOWN: Final = 100
"""Unknown members that are named."""
MOST_SPEC_BYTES: Final = 256 * 1024
"""Of the canonical text: what every list carries along for each deployment."""

MOST_ITEMS: Mapping[str, int] = MappingProxyType(
    {"command": 4096, "environment": 4096, "labels": 4096, "ports": 4096, "volumes": 1024}
)
"""Of one list or map by path, without indices; `ports` after ranges are spread."""
MOST_OTHER_ITEMS: Final = 1024

TOO_MANY_VIOLATIONS: Final = Violation("", "deployment.too_many_violations", "and more")
TOO_LARGE: Final = Violation(
    "",
    "deployment.too_large",
    f"takes more than {MOST_SPEC_BYTES // 1024} KiB: mount what is large as a volume",
)

CODES: Mapping[str, str] = MappingProxyType(
    {
        "deployment.<path>.too_many": (
            f"more than {MOST_OTHER_ITEMS} items in a list or map; 4096 in "
            + ", ".join(f"`{name}`" for name, most in MOST_ITEMS.items() if most == 4096)
        ),
        TOO_LARGE.code: f"more than {MOST_SPEC_BYTES // 1024} KiB in all",
        TOO_MANY_VIOLATIONS.code: f"more than {MOST_VIOLATIONS} violations: the last one says so",
    }
)
"""With when they are given, for readers of the rule table."""


def most_items(feature: str) -> int:
    return MOST_ITEMS.get(feature, MOST_OTHER_ITEMS)
