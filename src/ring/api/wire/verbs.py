"""What is asked of a deployment that is there: to restart, scale, stop, start or go back."""

from __future__ import annotations

import unicodedata
from typing import Annotated

from pydantic import AfterValidator, Field, StringConstraints
from pydantic_core import PydanticCustomError

from ring.api.wire.base import Body

REASON_CHARS = 256
_BREAKING = frozenset({"Cc", "Zl", "Zp"})
"""Unicode categories that do not belong into one line."""


def _on_one_line(text: str) -> str:
    if any(unicodedata.category(char) in _BREAKING for char in text):
        raise PydanticCustomError("not_one_line", "must hold no line breaks or control characters")
    return text


Reason = Annotated[
    str,
    StringConstraints(strip_whitespace=True, max_length=REASON_CHARS),
    AfterValidator(_on_one_line),
]


class ReasonBody(Body):
    """Why somebody wants it, for the events; blanks around it do not count."""

    reason: Reason | None = None


class ScaleBody(ReasonBody):
    """How many instances are to be there."""

    replicas: Annotated[int, Field(ge=0, le=4294967295)]


class RollbackBody(ReasonBody):
    """To which revision; absent: the last one before this that was ready and differs."""

    to: Annotated[int, Field(ge=1, le=9223372036854775807)] | None = None
