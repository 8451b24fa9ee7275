"""Stored text back into values. Damage is logged and never makes a row unreadable."""

from __future__ import annotations

import json
import logging
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, TypeVar

from ring.clock import parse_rfc3339, rfc3339

_log = logging.getLogger(__name__)

E = TypeVar("E", bound=StrEnum)

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def moment_text(moment: datetime | None) -> str | None:
    return None if moment is None else rfc3339(moment)


def moment(text: str | None, *, of: str) -> datetime | None:
    """None where there is none, or none that can be read. `of` names the value in the log."""
    if text is None:
        return None
    try:
        return parse_rfc3339(text)
    except (TypeError, ValueError):
        _log.warning("%s is not a timestamp; it is taken as unset", of)
        return None


def member(kind: type[E], text: str, default: E, *, of: str) -> E:
    """The member of an enum that a stored word stands for; the default if none does."""
    try:
        return kind(text)
    except ValueError:
        _log.warning("%s is not a known word; it is taken as '%s'", of, default)
        return default


def json_value(text: object) -> Any:
    """The value of a JSON column. Raises ValueError for whatever else stands there."""
    if not isinstance(text, str | bytes):
        raise ValueError(f"{type(text).__name__} is no JSON text")
    try:
        return json.loads(text)
    except RecursionError as error:
        raise ValueError("it is nested too deep") from error
