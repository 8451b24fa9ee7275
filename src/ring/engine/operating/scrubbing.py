"""Takes secret values out of what an engine says went wrong.

An engine may quote what it was given: whole, escaped, or cut off where its text ends.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

SHORTEST = 4
"""Characters. A shorter value is in every text by chance, and is none."""
MARK = "***"
_PLAIN = re.compile(r"(?! )[ !#-\[\]-~]*(?<! )")
"""Neither escaped in a quoted string, nor with blanks around it."""


def scrubbed(text: str, values: Iterable[str]) -> str:
    """The text with a mark in place of every value, the longest first."""
    beginnings = {text[at : at + SHORTEST] for at in range(len(text))}
    found = {
        form
        for value in values
        for form in _forms(value)
        if len(form) >= SHORTEST and form[:SHORTEST] in beginnings
    }
    longest_first = sorted(found, key=len, reverse=True)
    for form in longest_first:
        text = text.replace(form, MARK)
    for form in longest_first:
        cut = _cut_off(text, form)
        if cut:
            return text[:-cut] + MARK
    return text


def scrubbed_end(text: str, values: Collection[str], *, is_cut: bool) -> str:
    """As `scrubbed`, for the end of a longer text: it may begin within a value.

    is_cut: it is not the whole text after all.
    """
    text = scrubbed(text, values)
    if not is_cut:
        return text
    endings = {text[at : at + SHORTEST] for at in range(len(text))}
    first = text.partition("\n")[0].strip()
    size = 0
    for form in (form for value in values for form in _forms(value) if len(form) >= SHORTEST):
        if len(first) >= SHORTEST and first in form:  # the middle of one that is longer
            size = max(size, text.index(first) + len(first))
        elif form[-SHORTEST:] in endings:
            size = max(size, _cut_off(text[::-1], form[::-1]))
    return MARK + text[size:] if size else text


def _forms(value: str) -> Iterable[str]:
    """As it is, as a quoted string has it, and the single lines of it."""
    for one in (value, *value.splitlines()):
        yield one
        if _PLAIN.fullmatch(one):  # thousands of lines may be so, of which all forms are one
            continue
        yield one.strip()
        for ascii_only in (True, False):
            yield json.dumps(one, ensure_ascii=ascii_only)[1:-1]


def _cut_off(text: str, form: str) -> int:
    """How many characters at the end of the text are the beginning of the form; 0: too few."""
    longest = min(len(text), len(form) - 1)
    return next(
        (size for size in range(longest, SHORTEST - 1, -1) if text.endswith(form[:size])), 0
    )
