"""How long a registry or an engine asks to be left alone: `Retry-After` of RFC 9110, 10.2.3, and
what registries write of it into their errors, which is all that an engine hands on."""

from __future__ import annotations

import re
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

LONGEST_S: Final = 3600.0
"""Whoever asks for more is asked again then: nobody else says that a deployment waits for days."""
_WRITTEN: Final = re.compile(r"\bretry[- ]after\b['\"]?\s*[:=]?\s*['\"]?([0-9][0-9.a-zµ]*)", re.I)
_PARTS: Final = re.compile(r"([0-9]{1,12}(?:\.[0-9]{1,12})?)([a-zµ]*)", re.I)
_UNIT_S: Final[Mapping[str, float]] = {
    "": 1.0,
    "h": 3600.0,
    "m": 60.0,
    "s": 1.0,
    "ms": 1e-3,
    "us": 1e-6,
    "µs": 1e-6,
    "ns": 1e-9,
}


def in_text(text: str) -> float | None:
    """Seconds, of `retry-after: 44` or `retry-after: 1m2.5s`, as Go writes a duration."""
    found = _WRITTEN.search(text)
    if found is None:
        return None
    parts = _PARTS.findall(found[1])
    if "".join(number + unit for number, unit in parts) != found[1].rstrip("."):
        return None
    if any(unit.lower() not in _UNIT_S for _, unit in parts):
        return None
    return _bounded(sum(float(number) * _UNIT_S[unit.lower()] for number, unit in parts))


def in_headers(headers: Mapping[str, str]) -> float | None:
    """Seconds, of a header that gives them or a date; that is compared with the answer's own."""
    written = headers.get("Retry-After", "").strip()
    if written.isascii() and written.isdecimal():
        return _bounded(float(written[:12]))
    until, now = _date(written), _date(headers.get("Date", ""))
    if until is None or now is None:
        return None
    return _bounded((until - now).total_seconds())


def _date(written: str) -> datetime | None:
    try:
        moment = parsedate_to_datetime(written)
    except ValueError:
        return None
    return moment if moment.tzinfo is not None else None


def _bounded(seconds: float) -> float | None:
    return min(seconds, LONGEST_S) if seconds > 0 else None
