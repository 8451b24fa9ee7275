"""Replaces `$NAME` in strings, once and never in what was put in."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ring.core.violations import path_text

if TYPE_CHECKING:
    from ring.core.violations import Path

Lookup = Callable[[str], str | None]
"""The value of a variable, None where it is not defined."""

_REFERENCE = re.compile(r"\$([A-Za-z][A-Za-z0-9_]*)")
_ANY = "*"
_PLACES: tuple[tuple[str, ...], ...] = tuple(
    tuple(place.split("."))
    for place in (
        "name",
        "namespace",
        "image",
        "command.*",
        "environment.*",
        "environment.*.secretRef",
        "labels.*",
        "volumes.*.source",
        "volumes.*.destination",
        "volumes.*.key",
        "ports.*.host_ip",
        "resources.*.*",
        "config.image_pull_policy",
        "config.server",
        "config.username",
        "config.password",
        "config.image_pull_secret",
    )
)
"""Where a deployment's strings are replaced: nowhere else."""


def interpolate(text: str, lookup: Lookup) -> tuple[str, tuple[str, ...]]:
    """The text with every defined reference replaced, and the names that are not defined."""
    undefined: dict[str, None] = {}

    def value(match: re.Match[str]) -> str:
        found = lookup(match[1])
        if found is None:
            undefined[match[1]] = None
            return match[0]
        return found

    return _REFERENCE.sub(value, text), tuple(undefined)


@dataclass(slots=True)
class Interpolation:
    """Replaces in whole values and keeps a warning for each field with undefined names."""

    lookup: Lookup
    warnings: list[str] = field(default_factory=list)
    unusable: list[Path] = field(default_factory=list)
    """Fields that would hold a value which is no text."""

    def deployment(self, value: Any, path: Path) -> Any:
        """A deployment of the manifest with its replaceable strings replaced."""
        return self._within(value, path, len(path))

    def everywhere(self, value: Any, path: Path) -> Any:
        """A JSON value with each of its strings replaced; keys stay."""
        if isinstance(value, dict):
            return {key: self.everywhere(item, (*path, key)) for key, item in value.items()}
        if isinstance(value, list):
            return [self.everywhere(item, (*path, index)) for index, item in enumerate(value)]
        return self.text(value, path) if isinstance(value, str) else value

    def text(self, text: str, path: Path) -> str:
        replaced, undefined = interpolate(text, self.lookup)
        if not _is_text(replaced) and _is_text(text):
            self.unusable.append(path)
        if undefined:
            names = ", ".join(f"'${name}'" for name in undefined)
            self.warnings.append(f"undefined variable {names} left as is ({path_text(path)})")
        return replaced

    def _within(self, value: Any, path: Path, start: int) -> Any:
        if isinstance(value, dict):
            return {key: self._within(item, (*path, key), start) for key, item in value.items()}
        if isinstance(value, list):
            return [self._within(item, (*path, index), start) for index, item in enumerate(value)]
        if isinstance(value, str) and is_replaceable(path[start:]):
            return self.text(value, path)
        return value


def _is_text(value: str) -> bool:
    """Not so for an environment variable that holds other bytes than UTF-8."""
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def is_replaceable(path: Path) -> bool:
    """Whether the string at a path of a deployment is one in which `$NAME` is replaced."""
    return any(
        len(place) == len(path)
        and all(part in {_ANY, found} for part, found in zip(place, path, strict=True))
        for place in _PLACES
    )
