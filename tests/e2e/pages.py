"""A page of the documentation as the commands it tells its reader to type.

A block of `sh` is run as it stands, unless a comment before it says otherwise:

    <!-- run: no, REASON -->              the reader's own affair
    <!-- run: background until "TEXT" --> goes on running; the next block follows when it says so
    <!-- run: until "TEXT" -->            typed again until it shows the text
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

_BLOCK = re.compile(
    r"(?ms)^(?:<!-- run: (?P<how>[^\n]*) -->\n)?```(?P<language>\w+)\n(?P<text>.*?)^```$"
)
_UNTIL = re.compile(r'(?P<background>background )?until "(?P<text>[^"]+)"')


@dataclass(frozen=True, slots=True)
class Block:
    language: str
    text: str
    is_run: bool
    until: str | None = None
    background: bool = False


def blocks(page: Path) -> list[Block]:
    """In the order of the page. Raises ValueError for a comment that means nothing."""
    return [_block(found) for found in _BLOCK.finditer(page.read_text())]


def _block(found: re.Match[str]) -> Block:
    language, text, how = found["language"], found["text"], found["how"]
    if how is None:
        return Block(language, text, is_run=language == "sh")
    if how.startswith("no, "):
        return Block(language, text, is_run=False)
    until = _UNTIL.fullmatch(how)
    if until is None:
        raise ValueError(f"<!-- run: {how} -->")
    return Block(
        language, text, is_run=True, until=until["text"], background=bool(until["background"])
    )
