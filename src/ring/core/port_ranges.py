"""Port ranges `A-B` of a body, spread into one entry a port before anything else is checked."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from ring.core.violations import Violation, quoted

_RANGE = re.compile(r"([0-9]{1,9})-([0-9]{1,9})")
_MOST = 256  # ports of one range
_QUIET = {"published": 1, "target": 1}


@dataclass(slots=True)
class Spread:
    """A port list without ranges."""

    items: list[Any] = field(default_factory=list)
    origin: list[int] = field(default_factory=list)
    """For each item, the index of the entry of the body that it comes from."""
    broken: list[int] = field(default_factory=list)
    """Indices into `items` of stand-ins for ranges that were refused."""
    violations: list[Violation] = field(default_factory=list)


def is_range(value: object) -> bool:
    return isinstance(value, str) and _RANGE.fullmatch(value) is not None


def spread(ports: list[Any], *, most: int) -> Spread:
    """Every range replaced by its ports; a range that is refused by a stand-in.

    Violations name the index of the stand-in: `origin` leads back to the body. More than `most`
    ports are not spread to the end, and only their number is of use.
    """
    result = Spread()
    for index, item in enumerate(ports):
        if len(result.items) > most:
            return Spread(result.items, result.origin)
        if not (isinstance(item, dict) and _has_range(item)):
            result.items.append(item)
            result.origin.append(index)
            continue
        place = len(result.items)
        singles = _singles(item, place)
        if isinstance(singles, Violation):
            result.violations.append(singles)
            result.broken.append(place)
            singles = [_QUIET]
        result.items.extend(singles)
        result.origin.extend([index] * len(singles))
    return result


def _has_range(item: dict[str, Any]) -> bool:
    return is_range(item.get("published")) or is_range(item.get("target"))


def _singles(item: dict[str, Any], index: int) -> Violation | list[dict[str, Any]]:
    """The single entries, or why there are none."""
    ends = []
    for member in ("published", "target"):
        value = item.get(member)
        match = _RANGE.fullmatch(value) if isinstance(value, str) else None
        if match is None:
            return _invalid(index, "published and target must both be ranges")
        first, last = int(match[1]), int(match[2])
        if not 1 <= first <= last <= 65535:
            return _invalid(
                index, f"{quoted(match[0])} is not a range of ports 'A-B' with 1 <= A <= B <= 65535"
            )
        ends.append(range(first, last + 1))
    published, target = ends
    if len(published) != len(target):
        text = f"published has {len(published)} ports, target {len(target)}: they must match"
        return Violation(f"ports[{index}]", "deployment.ports.range.length_mismatch", text)
    if len(published) > _MOST:
        text = f"{len(published)} ports are too many: at most {_MOST} in one range"
        return Violation(f"ports[{index}]", "deployment.ports.range.too_large", text)
    return [
        {**item, "published": outer, "target": inner}
        for outer, inner in zip(published, target, strict=True)
    ]


def _invalid(index: int, message: str) -> Violation:
    return Violation(f"ports[{index}]", "deployment.ports.range.invalid", message)
