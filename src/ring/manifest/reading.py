"""Nodes of a file -> values of the manifest's shape, with every misfit at its line and column."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ring.core.fitting import Fitting
from ring.core.model import shapes
from ring.core.violations import path_text
from ring.manifest.errors import InvalidManifest, Mark, Problem
from ring.manifest.layout import MANIFEST, SECTIONS
from ring.manifest.source import Mapping, Node, Scalar, Sequence

if TYPE_CHECKING:
    from ring.core.model.shapes import Shape
    from ring.core.violations import Path

NOT_LABELS = "labels must be an array or object"


@dataclass(slots=True)
class Marks:
    """Where the values of a file stand."""

    known: dict[Path, Mark] = field(default_factory=dict)

    def of(self, path: Path) -> Mark:
        """Where a value stands; of one that is missing, where its holder does."""
        while path and path not in self.known:
            path = path[:-1]
        return self.known.get(path, Mark())


@dataclass(frozen=True, slots=True)
class Reading:
    value: dict[str, Any]
    """Of the manifest's shape: no explicit null, no unknown member."""
    unknown: tuple[str, ...]
    """Paths of unknown members, in file order."""
    marks: Marks


def read(root: Node, origin: str) -> Reading:
    """The value of a whole file. Raises InvalidManifest with every problem there is."""
    if isinstance(root, Scalar) and root.resolve() is None:
        raise InvalidManifest(origin, [Problem(Mark(), "the manifest is empty")])
    converter = _Converter()
    value = converter.convert(MANIFEST, root, ())
    fitting = Fitting(frozenset(), ranges=True)
    fitted = fitting.fit(MANIFEST, value)
    problems = [*converter.problems]
    for violation, path in zip(fitting.violations, fitting.broken, strict=True):
        message = f"{violation.path}: {violation.message}" if path else _not_a_map(root)
        problems.append(Problem(converter.marks.of(path), message))
    if isinstance(value, dict) and not any(section in value for section in SECTIONS):
        message = "a manifest needs deployments, namespaces or configs"
        problems.append(Problem(Mark(), message))
    if problems:
        raise InvalidManifest(origin, problems)
    unknown = sorted(fitting.unknown, key=converter.marks.of)
    return Reading(fitted, tuple(path_text(path) for path in unknown), converter.marks)


def _not_a_map(root: Node) -> str:
    what = "a list" if isinstance(root, Sequence) else "a value"
    return f"a manifest is a map of deployments, namespaces and configs, not {what}"


@dataclass(slots=True)
class _Converter:
    marks: Marks = field(default_factory=Marks)
    problems: list[Problem] = field(default_factory=list)

    def convert(self, shape: Shape, node: Node, path: Path) -> Any:
        self.marks.known.setdefault(path, node.mark)
        if isinstance(shape, shapes.MapOf) and shape.listed:
            return self._labels(shape, node, path)
        if isinstance(node, Scalar):
            return _scalar(shape, node)
        if isinstance(node, Sequence):
            item = shape.item if isinstance(shape, shapes.ListOf) else shapes.Anything()
            return [
                self.convert(item, child, (*path, index)) for index, child in enumerate(node.items)
            ]
        return self._map(shape, node, path)

    def _map(self, shape: Shape, node: Mapping, path: Path) -> dict[str, Any]:
        if isinstance(shape, shapes.Variant):
            shape = _case(shape, node)
        elif isinstance(shape, shapes.Either):
            shape = shape.record
        value = {}
        for key, child in node.entries.items():
            if not path and key.startswith("x-"):
                continue
            self.marks.known[(*path, key)] = node.key_marks[key]
            value[key] = self.convert(_inner(shape, key), child, (*path, key))
        return value

    def _labels(self, shape: Shape, node: Node, path: Path) -> Any:
        """Labels as one map: a list of maps is merged, the later entry wins."""
        if isinstance(node, Mapping):
            return self._map(shape, node, path)
        if isinstance(node, Scalar):
            if node.resolve() is not None:
                self.problems.append(Problem(node.mark, f"{path_text(path)}: {NOT_LABELS}"))
            return None
        labels: dict[str, Any] = {}
        for index, item in enumerate(node.items):
            if isinstance(item, Mapping):
                labels |= self._map(shape, item, path)
            else:
                text = f"{path_text((*path, index))}: an item of a labels list must be an object"
                self.problems.append(Problem(item.mark, text))
        return labels


def _inner(shape: Shape, key: str) -> Shape:
    if isinstance(shape, shapes.MapOf):
        return shape.value
    if isinstance(shape, shapes.Object) and key in shape.members:
        return shape.members[key].shape
    return shapes.Anything()


def _case(shape: shapes.Variant, node: Mapping) -> Shape:
    tag = node.entries.get(shape.tag)
    first = next(iter(shape.cases.values()))
    return shape.cases.get(tag.text, first) if isinstance(tag, Scalar) else first


def _scalar(shape: Shape, node: Scalar) -> Any:
    """The value of a scalar; where a string is wanted, its source text."""
    value = node.resolve()
    if value is None:
        return None
    if isinstance(shape, shapes.Either):
        shape = shape.scalar
    return node.text if isinstance(shape, shapes.Text | shapes.Choice) else value
