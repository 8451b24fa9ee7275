"""Rules that the fields of several nouns share, each with the noun in its code.

Lengths of names are in characters, those of values in bytes of UTF-8. No message repeats a value.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from ring.core.rules import identity
from ring.core.violations import Violation

if TYPE_CHECKING:
    import re
    from collections.abc import Iterator

MOST_VALUE_BYTES: Final = 1024 * 1024


class Naming(NamedTuple):
    """How an object may be called."""

    least: int
    most: int
    pattern: re.Pattern[str]
    words: str


NAMESPACES: Final = Naming(
    least=2,
    most=63,
    pattern=identity.NAMESPACE,
    words="must be lowercase letters, digits and '-', with '-' neither first nor last",
)


def called(path: str, text: str, code: str, naming: Naming) -> Iterator[Violation]:
    """`<code>.length` and `<code>.format`; an empty text breaks both."""
    if not naming.least <= len(text) <= naming.most:
        message = f"must be {naming.least} to {naming.most} characters, has {len(text)}"
        yield Violation(path, f"{code}.length", message)
    if not naming.pattern.fullmatch(text):
        yield Violation(path, f"{code}.format", naming.words)


def sized(path: str, text: str, code: str) -> Iterator[Violation]:
    """`<code>.length`"""
    size = len(text.encode())
    if not 1 <= size <= MOST_VALUE_BYTES:
        message = f"must be 1 to {MOST_VALUE_BYTES} bytes of UTF-8, has {size}"
        yield Violation(path, f"{code}.length", message)
