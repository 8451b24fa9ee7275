"""Quantities of the manifest: cpu, memory, durations. Parsed exactly, never through floats."""

from __future__ import annotations

import re
from fractions import Fraction

from ring.core.errors import UserError


class QuantityError(UserError):
    """The text is not a quantity."""


_LONGEST = 100  # characters; nothing sensible is longer, and Python refuses to read endless digits
_DECIMAL = r"(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)"
_CPU = re.compile(rf"({_DECIMAL})(m?)")
_BYTES = re.compile(r"[0-9]+")
_MEMORY = re.compile(rf"({_DECIMAL})([KMGT]i?)")
_DURATION = re.compile(r"([0-9]+)(ms|s|m|h)")

_MEMORY_UNIT = {
    **{f"{letter}i": 1024**power for power, letter in enumerate("KMGT", 1)},
    **{letter: 1000**power for power, letter in enumerate("KMGT", 1)},
}
_DURATION_UNIT_MS = {"ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000}


def parse_cpu(text: str) -> int:
    """Nano-CPUs of `250m`, `0.5`, `2`; fractions of a nano-CPU truncate. Raises QuantityError."""
    match = _match(_CPU, text.strip())
    if match is None:
        raise QuantityError(
            f"'{_short(text)}' is not a cpu quantity: use cores ('0.5') or millicores ('500m')"
        )
    nano = int(Fraction(match[1]) * (1_000_000 if match[2] else 1_000_000_000))
    if nano <= 0:
        raise QuantityError(f"'{text}' is not a cpu quantity: it must be greater than 0")
    return nano


def parse_memory(text: str) -> int:
    """Bytes of `64Mi`, `1.5G`, `1048576`; truncates to whole bytes. Raises QuantityError."""
    stripped = text.strip()
    if _match(_BYTES, stripped):
        size = int(stripped)
    elif match := _match(_MEMORY, stripped):
        size = int(Fraction(match[1]) * _MEMORY_UNIT[match[2]])
    else:
        raise QuantityError(
            f"'{_short(text)}' is not a memory quantity: "
            "use bytes or a suffix Ki Mi Gi Ti K M G T ('64Mi')"
        )
    if size <= 0:
        raise QuantityError(f"'{text}' is not a memory quantity: it must be greater than 0")
    return size


def parse_duration(text: str) -> int:
    """Milliseconds of `750ms`, `15s`, `2m`, `1h`; zero is a duration. Raises QuantityError."""
    match = _match(_DURATION, text)
    if match is None:
        raise QuantityError(
            f"'{_short(text)}' is not a duration: use digits and ms, s, m or h ('15s')"
        )
    return int(match[1]) * _DURATION_UNIT_MS[match[2]]


def _match(pattern: re.Pattern[str], text: str) -> re.Match[str] | None:
    return pattern.fullmatch(text) if len(text) <= _LONGEST else None


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"
