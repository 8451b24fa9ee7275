"""JSON of the API, narrowed to what commands read from it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping

from ring.cli.failures import CommandFailed

Row = Mapping[str, object]

_DEEPEST = 100  # levels; the API's answers have less than ten


def parse(text: bytes | str) -> object:
    """The value of a JSON text. Raises ValueError for what is none, or nests beyond reason."""
    try:
        value: object = json.loads(text)
    except RecursionError as error:
        raise ValueError("nested too deep") from error
    level = [value]
    for _ in range(_DEEPEST):
        level = [member for item in level for member in _members(item)]
        if not level:
            return value
    raise ValueError("nested too deep")


def _members(value: object) -> Iterable[object]:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else ()


def objects(answer: object) -> list[Row]:
    """The objects of a JSON array. Raises CommandFailed when the answer has another shape."""
    if not isinstance(answer, list) or not all(isinstance(item, dict) for item in answer):
        raise CommandFailed("error: the server answered in a shape this command does not know")
    return answer


def one_object(answer: object) -> Row:
    """A JSON object. Raises CommandFailed when the answer has another shape."""
    return objects([answer])[0]


def members(value: object) -> list[Row]:
    """The objects of a member that holds a list; none when it holds something else."""
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def mapping(value: object) -> Row:
    """A member that holds an object; empty when it holds something else."""
    return value if isinstance(value, dict) else {}


def whole_number(value: object) -> int:
    """A member that holds an integer; 0 when it holds something else."""
    return value if isinstance(value, int) and not isinstance(value, bool) else 0


def identity(row: Row) -> str:
    """The id of an object that is to be acted on. Raises CommandFailed when it has none."""
    found = row.get("id")
    if not isinstance(found, str) or not found:
        raise CommandFailed("error: the server answered with an object that has no id")
    return found
