"""Why a manifest cannot be applied at all."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from ring.core.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Iterable


@dataclass(frozen=True, slots=True, order=True)
class Mark:
    """A place in the file, both counted from 1."""

    line: int = 1
    column: int = 1


@dataclass(frozen=True, slots=True)
class Problem:
    mark: Mark
    message: str


class ManifestError(UserError):
    """The manifest cannot be used. The message holds every problem, one a line, with its place."""

    says: ClassVar = ""

    def __init__(self, origin: str, problems: Iterable[Problem]) -> None:
        self.problems = tuple(sorted(problems, key=lambda problem: problem.mark))
        lines = [
            f"{origin}:{problem.mark.line}:{problem.mark.column}: {one_line(problem.message)}"
            for problem in self.problems
        ]
        super().__init__(self.says + "\n".join(lines))


class InvalidManifest(ManifestError):
    """The text is no manifest: bad YAML, or a value of the wrong type."""

    says = "Invalid YAML: "


class Unreadable(UserError):
    """A file has no text that can be used; the message is the reason alone."""

    def __init__(self, message: str, mark: Mark | None = None) -> None:
        super().__init__(message)
        self.mark = mark
        """Where in the file the reason stands."""


def one_line(text: str) -> str:
    """The text with what would break the line or steer a terminal written as an escape."""
    return "".join(char if char.isprintable() else repr(char)[1:-1] for char in text)
