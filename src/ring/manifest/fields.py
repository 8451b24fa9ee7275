"""Every field of a manifest with what is known about it: its place, what it takes, what checks it.

Read off the shapes and the rule table, so that what is explained is what is checked.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from difflib import get_close_matches
from typing import TYPE_CHECKING, Final, get_args

from ring.core.availability import UNAVAILABLE
from ring.core.fitting import Place, snake, wanted
from ring.core.model import shapes
from ring.core.model.spec import RuntimeName
from ring.core.rules import RULES
from ring.manifest.interpolate import is_replaceable
from ring.manifest.layout import MANIFEST

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ring.core.model.shapes import Member, Shape

_DEPLOYMENTS: Final = "deployments"
_REPLACED_ELSEWHERE: Final = frozenset(
    {"namespaces.name", "configs.namespace", "configs.name", "configs.data"}
)
_INDEX = re.compile(r"\[[^\]]*\]")


@dataclass(frozen=True, slots=True)
class Field:
    """One field that a manifest may have."""

    path: tuple[str, ...]
    """Without map keys and indices: `deployments`, `ports`, `published`."""
    member: Member
    place: Place
    """In a body; empty outside of deployments."""
    cases: tuple[str, ...] = ()
    """Values of the holder's deciding member with which it exists; empty: always."""

    @property
    def name(self) -> str:
        return ".".join(self.path)

    @property
    def is_available(self) -> bool:
        """Whether this version does anything with it."""
        parts = self.place.feature.split(".")
        return not any(".".join(parts[: end + 1]) in UNAVAILABLE for end in range(len(parts)))

    @property
    def missing(self) -> tuple[str, ...]:
        """Values and forms of it that this version refuses."""
        feature = self.place.feature
        found = [word for word in words(self.member.shape) if f"{feature}={word}" in UNAVAILABLE]
        record = _record(self.member.shape)
        if record is not None and f"{feature}.{snake(record.name)}" in UNAVAILABLE:
            found.append("{" + ", ".join(record.members) + "}")
        return tuple(found)

    @property
    def is_replaced(self) -> bool:
        """Whether `$NAME` in it is replaced."""
        if self.path[0] == _DEPLOYMENTS:
            return is_replaceable(self.place.path) or is_replaceable((*self.place.path, "*"))
        return self.name in _REPLACED_ELSEWHERE

    @property
    def rules(self) -> tuple[tuple[str, str], ...]:
        """Codes of what can be wrong with it, each with when it is given."""
        if not self.place.feature:
            return ()
        return (*_shape_codes(self), *_table_codes(self.place.feature))

    def below(self) -> Iterator[Field]:
        """The fields that it holds, in their order."""
        yield from _fields(self.member.shape, self.path, self.place)


def top() -> tuple[Field, ...]:
    return tuple(_fields(MANIFEST, (), Place()))


def every() -> Iterator[Field]:
    """All fields, each before those below it."""
    waiting = list(reversed(top()))
    while waiting:
        field = waiting.pop()
        yield field
        waiting.extend(reversed(tuple(field.below())))


def find(typed: str) -> Field | None:
    """The field of a path; `deployments` in front, map keys and indices may be left out or not."""
    parts = [part for part in _INDEX.sub("", typed).strip(".").split(".") if part]
    if not parts:
        return None
    return _walk(top(), parts) or _walk(_top_of(_DEPLOYMENTS).below(), parts)


def similar(typed: str) -> list[str]:
    """Names of fields that were perhaps meant, the likeliest first."""
    names = [field.name for field in every()]
    short = {name.removeprefix(f"{_DEPLOYMENTS}."): name for name in names}
    last = _INDEX.sub("", typed).rpartition(".")[2]
    ends = [name for name in names if last and name.rpartition(".")[2].lower() == last.lower()]
    close = get_close_matches(typed, [*names, *short], n=5, cutoff=0.6)
    return list(dict.fromkeys([*(short.get(name, name) for name in close), *ends]))[:5]


def words(shape: Shape) -> tuple[str, ...]:
    """The words that it takes, where it takes no others."""
    match shape:
        case shapes.Choice(values):
            return values
        case shapes.Text(known):
            return known
        case shapes.Variant():
            return tuple(shape.cases)
        case _:
            return ()


def kind(shape: Shape) -> str:  # noqa: PLR0911 - one return a kind of shape
    """What it takes, in words."""
    if known := words(shape):
        names = ", ".join(known)
        return f"object by type: {names}" if isinstance(shape, shapes.Variant) else names
    match shape:
        case shapes.Whole():
            bounded = shape.low is not None and shape.high is not None
            bounds = f", {shape.low} to {shape.high}" if bounded else ""
            return f"integer{bounds}{', or a range A-B' if shape.ranges else ''}"
        case shapes.ListOf(item):
            return f"list of {_several(item)}"
        case shapes.MapOf(value, listed):
            return f"map of {_several(value)}{', or a list of such maps' if listed else ''}"
        case shapes.Either(scalar, record):
            return f"{kind(scalar)} or {kind(record)}"
        case shapes.Flag():
            return "boolean"
        case shapes.Number():
            return "number"
        case shapes.Text():
            return "string"
        case shapes.Anything():
            return "anything"
        case _:
            return "object"


def _several(shape: Shape) -> str:
    match shape:
        case shapes.Text():
            return "strings"
        case shapes.Object():
            return "objects"
        case shapes.Variant():
            return f"objects by type: {', '.join(shape.cases)}"
        case _:
            return kind(shape)


def _top_of(name: str) -> Field:
    return next(field for field in top() if field.path == (name,))


def _fields(shape: Shape, path: tuple[str, ...], place: Place) -> Iterator[Field]:
    match shape:
        case shapes.MapOf(value):
            inside = Place() if path == (_DEPLOYMENTS,) else _entry(place)
            yield from _fields(value, path, inside)
        case shapes.ListOf(item):
            yield from _fields(item, path, place.item(0) if place.words else place)
        case shapes.Either(_, shapes.Object() as record):
            # to a check it is one value of its own: its members have no codes
            feature = f"{place.feature}.{snake(record.name)}"
            for name, member in record.members.items():
                yield Field((*path, name), member, Place((*place.path, name), (), feature))
        case shapes.Object(_, members):
            for name, member in members.items():
                yield Field((*path, name), member, _member(path, place, name))
        case shapes.Variant():
            yield from _variant(shape, path, place)


def _variant(shape: shapes.Variant, path: tuple[str, ...], place: Place) -> Iterator[Field]:
    held: dict[str, list[str]] = {}
    members: dict[str, Member] = {}
    for case, record in shape.cases.items():
        for name, member in record.members.items():
            held.setdefault(name, []).append(case)
            members.setdefault(name, member)
    kinds = replace(members.pop(shape.tag), shape=shapes.Choice(tuple(shape.cases)))
    for name, member in {shape.tag: kinds, **members}.items():
        cases = () if len(held[name]) == len(shape.cases) else tuple(held[name])
        yield Field((*path, name), member, _member(path, place, name), cases)


def _member(path: tuple[str, ...], place: Place, name: str) -> Place:
    """Places are those of a body: a deployment is the root of one."""
    return place.member(name) if path[:1] == (_DEPLOYMENTS,) else Place()


def _entry(place: Place) -> Place:
    return place.entry("*") if place.words else place


def _walk(fields: Iterator[Field] | tuple[Field, ...], parts: list[str]) -> Field | None:
    for field in fields:
        if field.path[-1] == parts[0]:
            return _below(field, parts[1:])
    return None


def _below(field: Field, parts: list[str]) -> Field | None:
    if not parts:
        return field
    found = _walk(field.below(), parts)
    if found is None and _is_map(field.member.shape):
        return _below(field, parts[1:]) if len(parts) == 1 else _walk(field.below(), parts[1:])
    return found


def _is_map(shape: Shape) -> bool:
    if isinstance(shape, shapes.Either):
        return _is_map(shape.record)
    return isinstance(shape, shapes.MapOf)


def _record(shape: Shape) -> shapes.Object | None:
    if isinstance(shape, shapes.MapOf | shapes.ListOf):
        return _record(shape.value if isinstance(shape, shapes.MapOf) else shape.item)
    found = shape.record if isinstance(shape, shapes.Either) else None
    return found if isinstance(found, shapes.Object) else None


def _shape_codes(field: Field) -> Iterator[tuple[str, str]]:
    if not field.place.words:
        return
    code = ".".join(("deployment", *field.place.words))
    shape = field.member.shape
    if field.member.required:
        yield f"{code}.required", "it is missing"
    inner = code
    while isinstance(shape, shapes.ListOf | shapes.MapOf):
        yield f"{inner}.type", f"not a {'list' if isinstance(shape, shapes.ListOf) else 'map'}"
        if isinstance(shape, shapes.MapOf):
            inner += ".value"
        shape = shape.item if isinstance(shape, shapes.ListOf) else shape.value
    if not isinstance(shape, shapes.Anything):
        yield f"{inner}.type", f"not {wanted(shape)}"
    if isinstance(shape, shapes.Choice):
        yield f"{inner}.unsupported", "another word"
    if isinstance(shape, shapes.Whole) and shape.low is not None:
        yield f"{inner}.out_of_range", f"not {shape.low} to {shape.high}"


def _table_codes(feature: str) -> Iterator[tuple[str, str]]:
    for rule in RULES:
        read = {member.replace("[]", "") for member in rule.reads}
        own = rule.code.rpartition(".")[0] == f"deployment.{feature}"
        if own or feature in read:
            for code in rule.codes(get_args(RuntimeName)):
                yield code, rule.summary
