"""Amounts as people read them; what is no number is shown as it came."""

from __future__ import annotations

import math

from ring.cli.text import one_line

_UNITS = ("KiB", "MiB", "GiB")


def number(value: object) -> float | None:
    """A finite number, or None."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        return float(value) if math.isfinite(value) else None
    except OverflowError:
        return None


def size(value: object) -> str:
    """Bytes in binary units with two decimals, plain under 1024."""
    amount = number(value)
    if amount is None:
        return one_line(value)
    if abs(amount) < 1024:
        return f"{amount:.0f} B"
    for unit in _UNITS:
        amount /= 1024
        if abs(amount) < 1024 or unit == _UNITS[-1]:
            break
    return f"{amount:.2f} {unit}"


def decimal(value: object, places: int = 2) -> str:
    """A number with so many decimals."""
    amount = number(value)
    return one_line(value) if amount is None else f"{amount:.{places}f}"
