"""What all bodies and answers have in common: strict parsing, compact JSON, problems."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Mapping
from itertools import islice
from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated, Literal, NotRequired, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, TypeAdapter, ValidationError
from pydantic_core import PydanticCustomError
from starlette.responses import Response
from typing_extensions import TypedDict

from ring.api.problems import Problem, invalid
from ring.clock import rfc3339
from ring.core.violations import Violation

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from datetime import datetime

    from pydantic_core import ErrorDetails

_SUBJECT = re.compile(r"\A[A-Z][a-z]+ should ")
"""`Input should be …`, `String should have …`: the path says what it is about."""

T = TypeVar("T", bound=BaseModel)
Row = TypeVar("Row")

TURN = 100
"""Entries of a list that are written in one piece."""

JSON: Mapping[str, str] = MappingProxyType({"Content-Type": "application/json"})
NO_HEADERS: Mapping[str, str] = MappingProxyType({})


_MOST_ENTRIES = 4096


def _few(entries: object) -> object:
    if isinstance(entries, list | dict) and len(entries) > _MOST_ENTRIES:
        raise PydanticCustomError("too_many", f"must have no more than {_MOST_ENTRIES} entries")
    return entries


Texts = Annotated[list[str], BeforeValidator(_few)]
"""A body has room for some 100,000 entries, and each may be wrong."""
TextMap = Annotated[Mapping[str, str], BeforeValidator(_few)]


class Body(BaseModel):
    model_config = ConfigDict(strict=True, frozen=True, extra="ignore", hide_input_in_errors=True)


class ViolationShape(TypedDict):
    property_path: str
    message: str
    code: str


class ProblemShape(TypedDict):
    type: str
    title: str
    status: int
    detail: str
    violations: list[ViolationShape]
    error: str
    deployments: NotRequired[list[str]]
    hint: NotRequired[str]
    remaining: NotRequired[int]
    code: NotRequired[str]
    message: NotRequired[str]


def parse(body: bytes, model: type[T]) -> T:
    """The model that the JSON text stands for. Raises 400 and 422, which repeat no value."""
    try:
        return model.model_validate_json(body)
    except ValidationError as error:
        details = error.errors(include_url=False, include_context=False, include_input=False)
    if details[0]["type"] == "json_invalid":
        raise Problem(400, "the body is not valid JSON")
    raise invalid([_violation(detail) for detail in details])


def _violation(detail: ErrorDetails) -> Violation:
    path = ".".join(str(step) for step in detail["loc"])
    if detail["type"] == "missing":
        return Violation(path=path, code="request.field.missing", message="is required")
    message = _SUBJECT.sub("must ", detail["msg"])
    return Violation(path=path, code="request.field.type", message=message)


def schemas(models: Iterable[type], ref_template: str) -> dict[str, object]:
    """JSON Schemas of these models and of all they mention, by name."""
    mode: Literal["validation"] = "validation"
    inputs = [(model, mode, TypeAdapter[object](model)) for model in dict.fromkeys(models)]
    _, found = TypeAdapter.json_schemas(inputs, ref_template=ref_template)
    return dict(found["$defs"])


def answer(
    shape: Mapping[str, object] | Sequence[Mapping[str, object]],
    *,
    status: int = 200,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """Compact JSON, UTF-8 unescaped."""
    return Response(encoded(shape), status_code=status, headers={**JSON, **(headers or {})})


async def answer_list(
    rows: Iterable[Row],
    shape: Callable[[Row], Mapping[str, object]],
    headers: Mapping[str, str] = NO_HEADERS,
) -> Response:
    """A list of what `shape` makes of each. A long one keeps the loop from nothing else."""
    pieces: list[bytes] = []
    left = iter(rows)
    while turn := [shape(row) for row in islice(left, TURN)]:
        pieces.append(encoded(turn)[1:-1])
        await asyncio.sleep(0)
    return answer_of(pieces, headers)


def answer_of(items: Iterable[bytes], headers: Mapping[str, str] = NO_HEADERS) -> Response:
    """A list of what is `encoded` already."""
    return Response(b"[" + b",".join(items) + b"]", headers={**JSON, **headers})


def encoded(shape: Mapping[str, object] | Sequence[Mapping[str, object]]) -> bytes:
    text = json.dumps(shape, separators=(",", ":"), ensure_ascii=False)
    return text.encode(errors="replace")


def moment(at: datetime | None) -> str | None:
    return None if at is None else rfc3339(at)
