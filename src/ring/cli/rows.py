"""JSON of the API, narrowed to what commands read from it."""

from __future__ import annotations

from collections.abc import Mapping

from ring.cli.failures import CommandFailed

Row = Mapping[str, object]


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
