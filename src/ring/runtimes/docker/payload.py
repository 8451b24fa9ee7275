"""Reads the engine's JSON with types. What is not as its API says raises Unavailable.

An answer that cannot be read tells nothing, so it must not be taken for one that says "nothing".
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime

from ring.clock import parse_rfc3339
from ring.runtimes.base import Unavailable

Payload = Mapping[str, object]


def decode(content: bytes) -> object:
    """JSON of any shape."""
    try:
        value: object = json.loads(content)
        if b"\\ud" in content.lower():
            # Half of a pair is no text: nothing could store it, or send it on.
            value = json.loads(json.dumps(value, ensure_ascii=False).encode(errors="replace"))
        return value
    except (ValueError, RecursionError) as error:
        raise Unavailable("the engine's answer is not JSON that can be read") from error


def as_payload(value: object) -> Payload:
    if not isinstance(value, dict):
        raise _unexpected("an object", value)
    return value


def as_payloads(value: object) -> tuple[Payload, ...]:
    """A list of objects. Null is none: what says nothing must not be read as "nothing is there"."""
    if not isinstance(value, list):
        raise _unexpected("a list", value)
    return tuple(as_payload(item) for item in value)


def section(payload: Payload, key: str) -> Payload:
    """A nested object; absent and null are the empty one."""
    value = payload.get(key)
    return {} if value is None else as_payload(value)


def text(payload: Payload, key: str) -> str:
    value = payload.get(key)
    if not isinstance(value, str):
        raise _unexpected(f"text in '{key}'", value)
    return value


def number(payload: Payload, key: str) -> int:
    value = payload.get(key)
    if not isinstance(value, int):
        raise _unexpected(f"a number in '{key}'", value)
    return value


def texts(payload: Payload, key: str) -> tuple[str, ...]:
    value = payload.get(key)
    if value is None:
        return ()
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise _unexpected(f"a list of texts in '{key}'", value)
    return tuple(value)


def labels(payload: Payload, key: str) -> dict[str, str]:
    return {name: value for name, value in section(payload, key).items() if isinstance(value, str)}


def moment(payload: Payload, key: str) -> datetime | None:
    """A time; None for the year 1, by which the engine says "never"."""
    written = text(payload, key)
    try:
        parsed = parse_rfc3339(written)
    except (ValueError, OverflowError) as error:
        raise _unexpected(f"a time in '{key}'", written) from error
    return None if parsed.year == 1 else parsed


def known_moment(payload: Payload, key: str) -> datetime:
    """A time that must be one."""
    return moment(payload, key) or datetime.fromtimestamp(0, UTC)


def stamp(payload: Payload, key: str) -> datetime:
    """A time in seconds since 1970."""
    seconds = number(payload, key)
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (ValueError, OverflowError, OSError) as error:
        raise _unexpected(f"a time in '{key}'", seconds) from error


def _unexpected(wanted: str, value: object) -> Unavailable:
    return Unavailable(
        f"the engine's answer is not as its API describes: {wanted} expected, "
        f"{type(value).__name__} found"
    )
