"""Fits a body to a shape: what does not fit is named and replaced by something that does.

Its own module because a body with one bad member gives no model at all, yet every rule about its
other members is to run: each misfit is replaced by the quietest value that fits (one no rule
objects to), and its path kept, so that the rules that read it are left out.
"""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import TYPE_CHECKING, Any

from ring.core.model import shapes
from ring.core.port_ranges import is_range
from ring.core.violations import Path, Violation, path_text, quoted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sized

    from ring.core.model.shapes import Shape


class TooMany(Exception):
    """More does not fit than is of use to know."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a value stands: its path, and the same without indices and map keys."""

    path: Path = ()
    words: tuple[str, ...] = ()
    """For codes: map keys are `value`."""
    feature: str = ""
    """For availability: neither indices nor map keys."""

    def member(self, name: str) -> Place:
        feature = f"{self.feature}.{name}" if self.feature else name
        return Place((*self.path, name), (*self.words, name), feature)

    def item(self, index: int) -> Place:
        return replace(self, path=(*self.path, index))

    def entry(self, key: str) -> Place:
        return replace(self, path=(*self.path, key), words=(*self.words, "value"))


@dataclass(slots=True)
class Fitting:
    """One body fitted to one shape."""

    unavailable: frozenset[str]
    ranges: bool = False
    """Port ranges pass (a manifest: the server spreads them)."""
    most_items: Callable[[str], int] = lambda _feature: sys.maxsize
    """Of a list or map; a longer one is refused without a look at its items."""
    most_violations: int = sys.maxsize
    most_unknown: int = sys.maxsize
    violations: list[Violation] = field(default_factory=list)
    unknown: list[Path] = field(default_factory=list)
    broken: list[Path] = field(default_factory=list)

    def fit(self, shape: Shape, value: Any, place: Place = Place()) -> Any:  # noqa: PLR0911 - one return a kind of shape
        """The value, or its replacement, without unknown members and explicit nulls.

        Raises TooMany with the violation past `most_violations`.
        """
        if self._refused(value, place):
            return quietest(shape)
        match shape:
            case shapes.Object():
                return self._object(shape, value, place)
            case shapes.Variant():
                return self._variant(shape, value, place)
            case shapes.Either():
                return self._either(shape, value, place)
            case shapes.ListOf():
                return self._list(shape, value, place)
            case shapes.MapOf():
                return self._map(shape, value, place)
            case shapes.Choice():
                return self._choice(shape, value, place)
            case shapes.Whole():
                return self._whole(shape, value, place)
            case shapes.Text() | shapes.Flag() | shapes.Number():
                return value if _is(shape, value) else self._misfit(shape, value, place)
        return value

    def refuse(self, place: Place, suffix: str, message: str) -> None:
        self._violated(place, ".".join(("deployment", *place.words, suffix)), message)

    def _violated(self, place: Place, code: str, message: str) -> None:
        self.violations.append(Violation(path_text(place.path), code, message))
        self.broken.append(place.path)
        if len(self.violations) > self.most_violations:
            raise TooMany

    def _misfit(self, shape: Shape, value: Any, place: Place) -> Any:
        self.refuse(place, "type", f"must be {wanted(shape)}, not {_kind(value)}")
        return quietest(shape)

    def _refused(self, value: Any, place: Place) -> bool:
        """Whether the value uses what this version does not do; says so once."""
        if not place.feature or value is None or value is False or value in ({}, []):
            return False
        if place.feature in self.unavailable:
            self._not_available(place, place.feature)
            return True
        if isinstance(value, str) and f"{place.feature}={value}" in self.unavailable:
            self._not_available(place, f"{place.feature} '{value}'")
            return True
        return False

    def _not_available(self, place: Place, what: str) -> None:
        code = f"deployment.{place.feature}.not_available"
        message = f"{what} is not available in this version of Ring"
        self._violated(place, code, message)

    def _object(self, shape: shapes.Object, value: Any, place: Place) -> Any:
        if not isinstance(value, dict):
            return self._misfit(shape, value, place)
        self._name_unknown(value, shape.members, place)
        return self._members(shape, value, place)

    def _members(self, shape: shapes.Object, value: dict[str, Any], place: Place) -> dict[str, Any]:
        fitted = {}
        for name, member in shape.members.items():
            there = place.member(name)
            if member.required:
                if name in value:
                    fitted[name] = self.fit(member.shape, value[name], there)
                else:
                    self.refuse(there, "required", f"{name} is required")
                    fitted[name] = quietest(member.shape)
            elif value.get(name) is not None:
                known = len(self.broken)
                inner = self.fit(member.shape, value[name], there)
                if there.path not in self.broken[known:]:
                    fitted[name] = inner
        return fitted

    def _name_unknown(self, value: dict[str, Any], known: Iterable[str], place: Place) -> None:
        found = ((*place.path, name) for name in value if name not in known)
        self.unknown.extend(islice(found, max(0, self.most_unknown - len(self.unknown))))

    def _variant(self, shape: shapes.Variant, value: Any, place: Place) -> Any:
        if not isinstance(value, dict):
            return self._misfit(shape, value, place)
        tag = value.get(shape.tag)
        if isinstance(tag, str) and tag in shape.cases:
            return self._object(shape.cases[tag], value, place)
        first = next(iter(shape.cases.values()))
        there = place.member(shape.tag)
        if shape.tag in value:
            self._choice(shapes.Choice(tuple(shape.cases)), tag, there)
        else:
            self.refuse(there, "required", f"{shape.tag} is required")
        return quietest(first) | self._members(_common(shape), value, place)

    def _either(self, shape: shapes.Either, value: Any, place: Place) -> Any:
        if not isinstance(value, dict):
            if _is(shape.scalar, value):
                return value
            return self._misfit(shape, value, place)
        record = shape.record
        if isinstance(record, shapes.MapOf):
            return self._map(record, value, place)
        trial = Fitting(frozenset(), most_unknown=self.most_unknown - len(self.unknown))
        fitted = trial.fit(record, value, place)
        if trial.violations:
            return self._misfit(shape, value, place)
        self.unknown.extend(trial.unknown)
        named = replace(place, feature=f"{place.feature}.{snake(record.name)}")
        return quietest(shape) if self._refused(value, named) else fitted

    def _list(self, shape: shapes.ListOf, value: Any, place: Place) -> Any:
        if not isinstance(value, list):
            return self._misfit(shape, value, place)
        if self._overflows(value, place):
            return []
        return [self.fit(shape.item, item, place.item(index)) for index, item in enumerate(value)]

    def _map(self, shape: shapes.MapOf, value: Any, place: Place) -> Any:
        if not isinstance(value, dict):
            return self._misfit(shape, value, place)
        if self._overflows(value, place):
            return {}
        return {key: self.fit(shape.value, item, place.entry(key)) for key, item in value.items()}

    def _overflows(self, value: Sized, place: Place) -> bool:
        most = self.most_items(place.feature)
        if len(value) <= most:
            return False
        self.refuse(place, "too_many", f"has too many items: at most {most} are taken")
        return True

    def _choice(self, shape: shapes.Choice, value: Any, place: Place) -> Any:
        if not isinstance(value, str):
            return self._misfit(shape, value, place)
        if value in shape.values:
            return value
        self.refuse(
            place, "unsupported", f"{quoted(value)} is not supported: use {_or(shape.values)}"
        )
        return quietest(shape)

    def _whole(self, shape: shapes.Whole, value: Any, place: Place) -> Any:
        if shape.ranges and self.ranges and is_range(value):
            return value
        if not _is(shape, value):
            return self._misfit(shape, value, place)
        low, high = shape.low, shape.high
        if (low is None or value >= low) and (high is None or value <= high):
            return value
        self.refuse(place, "out_of_range", f"must be between {low} and {high}, not {value}")
        return quietest(shape)


def quietest(shape: Shape) -> Any:  # noqa: PLR0911 - one return a kind of shape
    """A value that fits and that no rule says anything about."""
    match shape:
        case shapes.Object():
            return {
                name: quietest(member.shape)
                for name, member in shape.members.items()
                if member.required
            }
        case shapes.Variant():
            return quietest(next(iter(shape.cases.values())))
        case shapes.Either():
            return quietest(shape.scalar)
        case shapes.ListOf():
            return []
        case shapes.MapOf():
            return {}
        case shapes.Choice():
            return shape.values[0]
        case shapes.Whole():
            return shape.low or 0
        case shapes.Text():
            return ""
        case shapes.Flag():
            return False
        case shapes.Number():
            return 0
    return None


def wanted(shape: Shape) -> str:  # noqa: PLR0911 - one return a kind of shape
    """What a place takes, in words."""
    match shape:
        case shapes.Either(scalar, shapes.Object() as record):
            return f"{wanted(scalar)} or {{{', '.join(record.members)}}}"
        case shapes.Either(scalar, _):
            return f"{wanted(scalar)} or an object"
        case shapes.ListOf():
            return "a list"
        case shapes.Choice():
            return f"one of the words {', '.join(shape.values)}"
        case shapes.Whole():
            return "an integer"
        case shapes.Text():
            return "a string"
        case shapes.Flag():
            return "true or false"
        case shapes.Number():
            return "a number"
        case _:
            return "an object"


def _is(shape: Shape, value: object) -> bool:
    if isinstance(shape, shapes.Text):
        return isinstance(value, str)
    if isinstance(shape, shapes.Flag):
        return isinstance(value, bool)
    number = isinstance(value, int) and not isinstance(value, bool)
    return number or (isinstance(shape, shapes.Number) and isinstance(value, float))


def _kind(value: object) -> str:
    kinds: tuple[tuple[type, str], ...] = (
        (bool, "a boolean"),
        (int, "an integer"),
        (float, "a number with a fraction"),
        (str, "a string"),
        (list, "a list"),
        (dict, "an object"),
    )
    return next((name for kind, name in kinds if isinstance(value, kind)), "null")


def _common(shape: shapes.Variant) -> shapes.Object:
    """The members that every case has, but the one that tells them apart."""
    cases = list(shape.cases.values())
    members = {
        name: member
        for name, member in cases[0].members.items()
        if name != shape.tag and all(name in case.members for case in cases)
    }
    return shapes.Object(cases[0].name, members)


def _or(values: tuple[str, ...]) -> str:
    return values[0] if len(values) == 1 else f"{', '.join(values[:-1])} or {values[-1]}"


def snake(name: str) -> str:
    """`secret_ref` of `SecretRef`."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower()
