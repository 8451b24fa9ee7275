"""What is wrong with a body, and where: the words and the path notation of every answer."""

from __future__ import annotations

from dataclasses import dataclass

Path = tuple[str | int, ...]
"""Members and map keys as text, list items by index."""


@dataclass(frozen=True, slots=True)
class Violation:
    path: str
    code: str
    """`deployment.…`: the stable contract."""
    message: str
    """Human text."""


_LONGEST_KEY = 256


def path_text(path: Path) -> str:
    """`ports[0].published`; map keys as they are, cut where nobody reads on."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            name = part if len(part) <= _LONGEST_KEY else f"{part[:_LONGEST_KEY]}…"
            text += f".{name}" if text else name
    return text


def quoted(value: str) -> str:
    """An offending text in quotes, cut where nobody reads on."""
    return f"'{value}'" if len(value) <= 100 else f"'{value[:100]}…'"
