"""A command that somebody runs inside an instance, and what it is told."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping

MARK = "RING_EXEC"
"""Environment variable of a command and of all that it starts, by which they are found again."""
_LONGEST_NAME = 64
_NAME = re.compile(r"[\w.+@-]+", re.ASCII)


@dataclass(frozen=True, slots=True)
class Size:
    """Of a terminal, in characters."""

    rows: int
    columns: int


@dataclass(frozen=True, slots=True)
class Command:
    argv: tuple[str, ...] = field(repr=False)
    """Without a shell. Arguments may hold a secret."""
    has_terminal: bool = False
    takes_input: bool = True
    user: str = ""
    """Empty: the instance's own."""
    directory: str = ""
    """Empty: the instance's own."""
    environment: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}), repr=False)
    """Besides the instance's own."""
    size: Size | None = None

    @property
    def program(self) -> str:
        """The program's name alone, for a log: nothing else of it may be told."""
        name = self.argv[0].rpartition("/")[2] if self.argv else ""
        found = _NAME.fullmatch(name)
        return name[:_LONGEST_NAME] if found else "(a command)"


@dataclass(frozen=True, slots=True)
class Piece:
    """Some of what a command writes."""

    stream: Literal["stdout", "stderr"]
    content: bytes = field(repr=False)
