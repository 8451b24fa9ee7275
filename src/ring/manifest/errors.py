"""Why a manifest cannot be applied at all."""

from __future__ import annotations

from dataclasses import dataclass

from ring.core.errors import UserError


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
    """The manifest cannot be read. The message holds every problem, one a line."""


class InvalidManifest(ManifestError):
    """The text is no manifest: bad YAML, or a value of the wrong type."""

    def __init__(self, origin: str, problems: list[Problem]) -> None:
        lines = [
            f"{origin}:{problem.mark.line}:{problem.mark.column}: {one_line(problem.message)}"
            for problem in sorted(problems, key=lambda problem: problem.mark)
        ]
        super().__init__("Invalid YAML: " + "\n".join(lines))
        self.problems = tuple(problems)


def one_line(text: str) -> str:
    """The text with what would break the line or steer a terminal written as an escape."""
    return "".join(char if char.isprintable() else repr(char)[1:-1] for char in text)
