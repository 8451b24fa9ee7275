"""The signal that asks an instance to end, as manifests and images write it."""

from __future__ import annotations

import re
import signal
from contextlib import suppress
from typing import Final

_LAST: Final = 64
_NUMBER: Final = re.compile(r"[0-9]{1,3}")
_REAL_TIME: Final = re.compile(r"RT(?P<end>MIN|MAX)(?P<offset>[+-][0-9]{1,2})?")


def number_of(written: str) -> int:
    """`SIGTERM` for what is no signal: an image may say anything."""
    text = written.strip().upper().removeprefix("SIG")
    if _NUMBER.fullmatch(text) and 1 <= int(text) <= _LAST:
        return int(text)
    if found := _REAL_TIME.fullmatch(text):
        first = signal.SIGRTMIN if found["end"] == "MIN" else signal.SIGRTMAX
        number = int(first) + int(found["offset"] or 0)
        return number if signal.SIGRTMIN <= number <= signal.SIGRTMAX else signal.SIGTERM
    with suppress(KeyError):
        return signal.Signals[f"SIG{text}"]
    return signal.SIGTERM
