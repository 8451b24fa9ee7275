"""The shape of a deployment as data, read off the models: what a value may be at each place.

Its own module because three readers walk it: the check of a body, the reader of a manifest (where
a string is wanted, a plain scalar is taken as it is written) and what documents the fields.
"""

from __future__ import annotations

import types
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Union, cast, get_args, get_origin

from annotated_types import Ge, Le
from pydantic import BaseModel, JsonValue

from ring.core.model.spec import DeploymentSpec, RangeText

if TYPE_CHECKING:
    from collections.abc import Iterable


@dataclass(frozen=True, slots=True)
class Text:
    """A string."""

    words: tuple[str, ...] = ()
    """What it must be in the end, where that is not for the shape to check."""


@dataclass(frozen=True, slots=True)
class Flag:
    """A boolean."""


@dataclass(frozen=True, slots=True)
class Number:
    """Any number."""


@dataclass(frozen=True, slots=True)
class Whole:
    """An integer within bounds, both included."""

    low: int | None = None
    high: int | None = None
    ranges: bool = False
    """A body may also say `A-B`."""


@dataclass(frozen=True, slots=True)
class Choice:
    """One of some words."""

    values: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ListOf:
    item: Shape


@dataclass(frozen=True, slots=True)
class MapOf:
    value: Shape
    listed: bool = False
    """A manifest may also write it as a list of maps, of which later ones win."""


@dataclass(frozen=True, slots=True)
class Member:
    shape: Shape
    required: bool
    description: str
    default: str | float | bool | None = None
    """Of a scalar that has one when it is left out."""


@dataclass(frozen=True, slots=True)
class Object:
    """An object with known members."""

    name: str
    members: Mapping[str, Member]


@dataclass(frozen=True, slots=True)
class Variant:
    """One of several objects; a member of each says which."""

    tag: str
    cases: Mapping[str, Object]


@dataclass(frozen=True, slots=True)
class Either:
    """A scalar, or an object or map."""

    scalar: Shape
    record: Object | MapOf


@dataclass(frozen=True, slots=True)
class Anything:
    """Not looked into."""


Shape = (
    Text | Flag | Number | Whole | Choice | ListOf | MapOf | Object | Variant | Either | Anything
)


def shape_of(model: type[BaseModel]) -> Object:
    """The shape of a model's JSON form."""
    members = {
        name: Member(
            _of(field.annotation, field.metadata),
            field.is_required(),
            field.description or "",
            _default(field.default),
        )
        for name, field in model.model_fields.items()
    }
    return Object(model.__name__, members)


def _default(value: object) -> str | float | bool | None:
    return value if isinstance(value, str | float | bool | int) else None


def _of(annotation: object, metadata: Iterable[object] = ()) -> Shape:  # noqa: PLR0911 - one return a kind
    origin = get_origin(annotation)
    if origin is Literal:
        return Choice(cast("tuple[str, ...]", get_args(annotation)))  # every Literal is of words
    if origin is tuple:
        return ListOf(_of(get_args(annotation)[0]))
    if origin is not None and isinstance(origin, type) and issubclass(origin, Mapping):
        return MapOf(_of(get_args(annotation)[1]))
    if hasattr(annotation, "__metadata__"):
        return _of_annotated(annotation, metadata)
    if origin in {Union, types.UnionType}:
        return _union(_options(annotation))
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return shape_of(annotation)
    return _plain(annotation, tuple(metadata))


def _of_annotated(annotation: object, metadata: Iterable[object]) -> Shape:
    inner, *own = get_args(annotation)
    tag = next((tag for item in own if (tag := getattr(item, "discriminator", None))), None)
    if isinstance(tag, str):
        return _variant(tag, _options(inner))
    nested = [part for item in own for part in getattr(item, "metadata", [item])]
    return _of(inner, [*nested, *metadata])


def _plain(annotation: object, metadata: tuple[object, ...]) -> Shape:
    if annotation is int:
        return Whole(
            low=next((cast("int", item.ge) for item in metadata if isinstance(item, Ge)), None),
            high=next((cast("int", item.le) for item in metadata if isinstance(item, Le)), None),
            ranges=RangeText in metadata,
        )
    simple: dict[object, Shape] = {
        str: Text(),
        bool: Flag(),
        float: Number(),
        JsonValue: Anything(),
    }
    return simple[annotation]


def _union(options: tuple[Any, ...]) -> Shape:
    if len(options) == 1:
        return _of(options[0])
    scalar, record = options
    return Either(_of(scalar), shape_of(record))


def _variant(tag: str, options: tuple[Any, ...]) -> Variant:
    objects = [shape_of(option) for option in options]
    return Variant(
        tag, {cast("Choice", item.members[tag].shape).values[0]: item for item in objects}
    )


def _options(annotation: object) -> tuple[Any, ...]:
    return tuple(option for option in get_args(annotation) if option is not type(None))


DEPLOYMENT = shape_of(DeploymentSpec)
"""The shape of an API body."""
