"""How long a row has to be well before that counts: for its gate, and for forgiving failures."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ring.core.model.quantities import QuantityError, parse_duration

if TYPE_CHECKING:
    from ring.core.model.deployment import Deployment


def window_s(row: Deployment, default_s: float) -> float:
    """The longest `min_healthy_time` of the readiness checks; the default where none says one.

    One that is stored and cannot be read is the default as well.
    """
    stated = [
        seconds(check.min_healthy_time, default_s)
        for check in row.spec.health_checks
        if check.readiness
    ]
    return max(stated, default=default_s)


def seconds(text: str | None, default_s: float) -> float:
    """What cannot be read is as good as left out."""
    if text is None:
        return default_s
    try:
        return parse_duration(text) / 1000
    except QuantityError:
        return default_s
