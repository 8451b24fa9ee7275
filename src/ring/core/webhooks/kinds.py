"""The kinds of outbound events, and which of them a hook subscribes to."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

from ring.core.violations import quoted

if TYPE_CHECKING:
    from collections.abc import Sequence


class Kind(StrEnum):
    STATUS_CHANGED = "deployment.status_changed"
    HEALTH_CHECK_FAILED = "deployment.health_check_failed"
    ROLLING_UPDATE = "deployment.rolling_update"
    SCALED = "deployment.scaled"
    ERROR = "deployment.error"


ALL = "*"
FAMILIES = tuple(dict.fromkeys(kind.partition(".")[0] for kind in Kind))


def is_subscribed(patterns: Sequence[str], kind: str) -> bool:
    """No pattern at all asks for every kind."""
    return not patterns or any(_takes(pattern, kind) for pattern in patterns)


def _takes(pattern: str, kind: str) -> bool:
    if pattern.endswith(".*"):
        return kind.startswith(pattern.removesuffix("*"))
    return pattern in {ALL, kind}


def complaint(pattern: str) -> str | None:
    """What is wrong with a subscription; None: nothing."""
    if pattern == ALL or pattern in set(Kind):
        return None
    family, dot, rest = pattern.partition(".")
    if dot and rest == "*":
        if family in FAMILIES:
            return None
        return f"{quoted(pattern)} names no known family: the known ones are {', '.join(FAMILIES)}"
    if pattern.endswith("*"):
        return (
            f"{quoted(pattern)} is not a subscription: use '*' for all events or "
            f"'{FAMILIES[0]}.*' for those of a family"
        )
    return f"{quoted(pattern)} is not a known event: the known ones are {', '.join(Kind)}"
