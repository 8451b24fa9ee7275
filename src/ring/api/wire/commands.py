"""What somebody says of a command that is to be run in an instance."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated

from pydantic import AfterValidator, Field, StringConstraints
from pydantic_core import PydanticCustomError

from ring.api.wire.base import Body, TextMap
from ring.core.model.commands import MARK, Command, Size

if TYPE_CHECKING:
    from collections.abc import Mapping

_MOST_WORDS = 4096
_NAME = re.compile(r"[^=\x00]+")


def _without_nul(text: str) -> str:
    if "\0" in text:
        raise PydanticCustomError("nul", "must hold no NUL")
    return text


def _variables(given: Mapping[str, str]) -> Mapping[str, str]:
    for name, value in given.items():
        if not _NAME.fullmatch(name) or name == MARK:
            raise PydanticCustomError("name", f"a variable may not have the name '{name[:64]}'")
        _without_nul(value)
    return given


Word = Annotated[str, AfterValidator(_without_nul)]
Text = Annotated[str, StringConstraints(max_length=4096), AfterValidator(_without_nul)]
Lines = Annotated[int, Field(ge=1, le=65535)]


class CommandBody(Body):
    """One command; without a shell, unless it is one."""

    argv: Annotated[list[Word], Field(min_length=1, max_length=_MOST_WORDS)]
    tty: bool = False
    stdin: bool = True
    user: Text = ""
    directory: Text = ""
    environment: Annotated[TextMap, AfterValidator(_variables)] = Field(default_factory=dict)
    rows: Lines | None = None
    columns: Lines | None = None

    def command(self) -> Command:
        size = Size(self.rows, self.columns) if self.rows and self.columns else None
        return Command(
            tuple(self.argv),
            has_terminal=self.tty,
            takes_input=self.stdin,
            user=self.user,
            directory=self.directory,
            environment=self.environment,
            size=size,
        )


class SizeBody(Body):
    """Of the client's terminal."""

    rows: Lines
    columns: Lines
