"""`[server.images]`: whether and when images that nobody needs are removed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ring.core.keeping import Policy
from ring.core.model.quantities import QuantityError, parse_duration

if TYPE_CHECKING:
    from ring.settings.sources import Table

_SHORTEST_INTERVAL_S = 1.0
_WANTED = "a duration such as '24h'"


def images(table: Table) -> Policy:
    """`[server.images]`. Raises UserError naming the key that cannot be."""
    usual = Policy()
    high = _percent(table, "gc_high", usual.high_percent)
    # Where only the upper mark is written, the lower one follows it down.
    low = _percent(table, "gc_low", min(usual.low_percent, high))
    if low > high:
        raise table.wrong("gc_low", f"at most gc_high, which is {high}")
    min_age_s = _seconds(table, "gc_min_age", usual.min_age_s)
    max_age_s = _max_age(table, usual.max_age_s)
    if max_age_s is not None and max_age_s < min_age_s:
        key = "gc_max_age" if "gc_max_age" in table else "gc_min_age"
        raise table.wrong(key, "such that gc_max_age is not below gc_min_age")
    interval_s = _seconds(table, "gc_interval", usual.interval_s)
    if interval_s < _SHORTEST_INTERVAL_S:
        raise table.wrong("gc_interval", "a duration of at least '1s'")
    return Policy(
        enabled=table.flag("gc"),
        min_age_s=min_age_s,
        max_age_s=max_age_s,
        high_percent=high,
        low_percent=low,
        interval_s=interval_s,
    )


def _percent(table: Table, key: str, usual: int) -> int:
    if key not in table:
        return usual
    written = table.whole(key)
    if not 1 <= written <= 100:
        raise table.wrong(key, "a percentage from 1 to 100")
    return written


def _max_age(table: Table, usual: float | None) -> float | None:
    if "gc_max_age" not in table:
        return usual
    if table.values["gc_max_age"] == "never":
        return None
    return _seconds(table, "gc_max_age", 0.0, _WANTED + ", or 'never'")


def _seconds(table: Table, key: str, usual: float, wanted: str = _WANTED) -> float:
    if key not in table:
        return usual
    try:
        return parse_duration(table.text(key)) / 1000
    except QuantityError as error:
        raise table.wrong(key, wanted) from error
