"""Turns the text of a manifest into nodes that know their source text, line and column.

Its own composer over the parser's events: a YAML loader resolves scalars by the rules of YAML 1.1
or loses how they were written, and a manifest needs both the 1.2 core schema and the source text.
JSON is read the same way. Nothing in a document can construct anything but these nodes.
"""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
)
from ruamel.yaml.reader import ReaderError

from ring.manifest.errors import InvalidManifest, Mark, Problem

if TYPE_CHECKING:
    from collections.abc import Iterator

DEEPEST: Final = 60
"""Lists and maps inside each other."""
HEAVIEST: Final = 200_000
"""Nodes of a document, also once its aliases are spelled out."""

_NULL = re.compile(r"~|null|Null|NULL|")
_TRUE = re.compile(r"true|True|TRUE")
_FALSE = re.compile(r"false|False|FALSE")
_INTEGER = re.compile(r"[-+]?[0-9]{1,100}")
_OCTAL = re.compile(r"0o[0-7]{1,100}")
_HEXADECIMAL = re.compile(r"0x[0-9a-fA-F]{1,100}")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_CORE = "tag:yaml.org,2002:"
_RESOLVED_TAGS = {f"{_CORE}{kind}" for kind in ("null", "bool", "int", "float")}
_PLAIN_TAGS = {None, "!", f"{_CORE}str", f"{_CORE}map", f"{_CORE}seq", *_RESOLVED_TAGS}


@dataclass(frozen=True, slots=True)
class Scalar:
    text: str
    mark: Mark
    plain: bool = False
    """Not quoted: it may stand for more than its text."""
    weight: int = 1

    def resolve(self) -> str | float | bool | None:
        """Its value by the YAML 1.2 core schema; infinities and what is no number stay text."""
        if not self.plain:
            return self.text
        if _NULL.fullmatch(self.text):
            return None
        if _TRUE.fullmatch(self.text) or _FALSE.fullmatch(self.text):
            return self.text[0] in "tT"
        return _number(self.text)


@dataclass(frozen=True, slots=True)
class Sequence:
    items: tuple[Node, ...]
    mark: Mark
    weight: int


@dataclass(frozen=True, slots=True)
class Mapping:
    entries: dict[str, Node]
    """By the source text of the key, in file order."""
    key_marks: dict[str, Mark]
    mark: Mark
    weight: int


Node = Scalar | Sequence | Mapping


def load(text: str, origin: str) -> Node:
    """The one document of a text. Raises InvalidManifest with the first problem."""
    yaml = YAML(typ="safe", pure=True)
    try:
        return _Composer(origin, iter(yaml.parse(_readable(text)))).document()
    except MarkedYAMLError as error:
        words = ", ".join(part for part in (error.context, error.problem) if part)
        problem = Problem(_mark(error.problem_mark or error.context_mark), words)
    except ReaderError as error:
        before = text[: text.find(chr(error.character))]
        mark = Mark(before.count("\n") + 1, len(before) - before.rfind("\n"))
        problem = Problem(mark, _character(error.character))
    except (YAMLError, ValueError, OverflowError, AssertionError) as error:  # of odd numbers
        problem = Problem(_mark(yaml.reader), str(error).partition("\n")[0])
    raise InvalidManifest(origin, [problem])


def _readable(text: str) -> str:
    if text.lstrip().startswith(("{", "[")) and _is_json(text):
        return text.replace("\t", " ")  # legal between JSON tokens only, and not read in YAML
    return text


def _character(code: int) -> str:
    return f"character U+{code:04X} is not allowed: in a quoted string write it as an escape"


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True


class _Composer:
    """Builds the nodes of one stream of events."""

    def __init__(self, origin: str, events: Iterator[Any]) -> None:
        self._origin = origin
        self._events = events
        self._anchors: dict[str, Node] = {}
        self._count = 0

    def document(self) -> Node:
        root: Node | None = None
        for event in self._events:
            if isinstance(event, DocumentStartEvent):
                if root is not None:
                    raise self._error(event, "more than one document: a manifest is a single one")
                root = self._node(next(self._events), 0)
        return root if root is not None else Scalar("", Mark(), plain=True)

    def _node(self, event: Any, depth: int) -> Node:
        if isinstance(event, AliasEvent):
            if event.anchor not in self._anchors:
                text = f"alias '*{event.anchor}' points to no value that ends before it"
                raise self._error(event, text)
            return self._anchors[event.anchor]
        if event.tag not in _PLAIN_TAGS:
            raise self._error(event, f"tag '{event.tag}' is not allowed: write a plain value")
        self._count += 1
        if self._count > HEAVIEST:
            raise self._error(event, f"more than {HEAVIEST} values")
        if depth > DEEPEST:
            raise self._error(event, f"more than {DEEPEST} levels deep")
        if event.anchor is not None:
            # while it is read, an older value of the same anchor is not what an alias means
            self._anchors.pop(event.anchor, None)
        node = self._value(event, depth)
        if node.weight > HEAVIEST:
            raise self._error(event, f"more than {HEAVIEST} values once aliases are spelled out")
        if event.anchor is not None:
            self._anchors[event.anchor] = node
        return node

    def _value(self, event: Any, depth: int) -> Node:
        if isinstance(event, ScalarEvent):
            plain = event.style is None and event.tag is None
            resolved = plain or event.tag in _RESOLVED_TAGS
            return Scalar(self._text(event), _mark(event.start_mark), plain=resolved)
        if isinstance(event, SequenceStartEvent):
            return self._sequence(event, depth)
        return self._mapping(event, depth)

    def _text(self, event: ScalarEvent) -> str:
        try:  # JSON writes a character beyond U+FFFF as two escapes
            return str(event.value).encode("utf-16", "surrogatepass").decode("utf-16")
        except UnicodeError:
            raise self._error(event, "half a surrogate pair is not a character") from None

    def _sequence(self, start: SequenceStartEvent, depth: int) -> Sequence:
        items = []
        while not isinstance(event := next(self._events), SequenceEndEvent):
            items.append(self._node(event, depth + 1))
        weight = 1 + sum(item.weight for item in items)
        return Sequence(tuple(items), _mark(start.start_mark), weight)

    def _mapping(self, start: MappingStartEvent, depth: int) -> Mapping:
        entries: dict[str, Node] = {}
        marks: dict[str, Mark] = {}
        merged: list[Mapping] = []
        while not isinstance(event := next(self._events), MappingEndEvent):
            key = self._node(event, depth + 1)
            if not isinstance(key, Scalar):
                raise self._error(event, "a key must be a scalar")
            value_event = next(self._events)
            value = self._node(value_event, depth + 1)
            if key.text == "<<" and key.plain:
                merged.extend(self._merged(value_event, value))
            elif key.text in entries:
                raise self._error(event, f"key '{key.text}' is given twice")
            else:
                entries[key.text] = value
                marks[key.text] = key.mark
        for other in merged:
            for name, value in other.entries.items():
                entries.setdefault(name, value)
                marks.setdefault(name, other.key_marks[name])
        weight = 1 + sum(1 + value.weight for value in entries.values())
        return Mapping(entries, marks, _mark(start.start_mark), weight)

    def _merged(self, event: Any, value: Node) -> list[Mapping]:
        items = value.items if isinstance(value, Sequence) else (value,)
        maps = [item for item in items if isinstance(item, Mapping)]
        if len(maps) != len(items):
            raise self._error(event, "'<<' merges a map or a list of maps")
        return maps

    def _error(self, event: Any, message: str) -> InvalidManifest:
        return InvalidManifest(self._origin, [Problem(_mark(event.start_mark), message)])


def _mark(mark: Any) -> Mark:
    """Of what counts lines and columns from 0."""
    return Mark(mark.line + 1, mark.column + 1) if mark is not None else Mark()


def _number(text: str) -> str | float:
    if _INTEGER.fullmatch(text):
        return int(text)
    if _OCTAL.fullmatch(text):
        return int(text[2:], 8)
    if _HEXADECIMAL.fullmatch(text):
        return int(text[2:], 16)
    if _FLOAT.fullmatch(text) and math.isfinite(number := float(text)):
        return number
    return text
