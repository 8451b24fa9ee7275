"""A config of the manifest -> the body that makes it: inline data and files become one JSON text.

Its own module because it alone reads further files, and because where a variable is replaced
depends on where a text comes from.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ring.manifest import files
from ring.manifest.errors import Unreadable

if TYPE_CHECKING:
    from pathlib import Path

    from ring.core.violations import Path as Place
    from ring.manifest.interpolate import Interpolation

Contents = dict[str, Any]
"""By key."""


@dataclass(slots=True)
class Payloads:
    """Makes the bodies of configs; what cannot be made is kept in `problems`."""

    directory: Path
    """Where relative paths start."""
    interpolation: Interpolation
    problems: list[tuple[Place, str]] = field(default_factory=list)

    def body(self, key: str, value: dict[str, Any]) -> dict[str, Any]:
        """For `POST /configs`; without `data` when there is a problem."""
        place: Place = ("configs", key)
        body = {
            member: self.interpolation.text(value[member], (*place, member))
            for member in ("namespace", "name")
        }
        data = self._data(key, value)
        if data is not None:
            body["data"] = data
        if "labels" in value:
            body["labels"] = self._labels(value["labels"], (*place, "labels"))
        return body

    def _labels(self, labels: str | Contents, place: Place) -> str:
        if isinstance(labels, str):
            return labels
        return compact(self.interpolation.everywhere(labels, place))

    def _data(self, key: str, value: dict[str, Any]) -> str | None:
        inline: str | Contents | None = value.get("data")
        paths: dict[str, str] = value.get("files", {})
        replaces: bool | None = value.get("interpolate")
        if inline is None and not paths:
            self._problem(key, "either 'data' or 'files' must be set")
            return None
        text, contents = self._inline(key, inline, replaces=replaces is not False)
        if not paths:
            return text
        if contents is None:
            self._problem(key, "'data' must be a JSON object where 'files' is set", "data")
            return None
        for twice in sorted(contents.keys() & paths.keys()):
            self._problem(key, f"key '{twice}' is in both 'data' and 'files'", "files", twice)
        for name, path in paths.items():
            contents[name] = self._file(key, name, path, replaces=replaces is True)
        return compact(contents)

    def _inline(
        self, key: str, inline: str | Contents | None, *, replaces: bool
    ) -> tuple[str, Contents | None]:
        """Inline data as a text, and as an object where it is one."""
        contents = _object(inline) if isinstance(inline, str) else inline or {}
        place: Place = ("configs", key, "data")
        if contents is None:
            text = str(inline)
            return (self.interpolation.text(text, place) if replaces else text), None
        filled: Contents = self.interpolation.everywhere(contents, place) if replaces else contents
        if isinstance(inline, str) and filled == contents:
            return inline, contents
        return compact(filled), filled

    def _file(self, key: str, name: str, path: str, *, replaces: bool) -> str:
        resolved = (self.directory / path).absolute()
        try:
            text = files.text(files.read(resolved))
        except Unreadable as error:
            at = f" at {error.mark.line}:{error.mark.column}" if error.mark else ""
            problem = f"failed to read file '{resolved}' for key '{name}': {error.message}{at}"
            self._problem(key, problem, "files", name)
            return ""
        return self.interpolation.text(text, ("configs", key, "files", name)) if replaces else text

    def _problem(self, key: str, message: str, *members: str) -> None:
        self.problems.append((("configs", key, *members), f"config '{key}': {message}"))


def compact(value: Contents) -> str:
    """JSON text that is the same for the same contents."""
    text = json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    try:
        text.encode()
    except UnicodeEncodeError:  # half a surrogate pair can only be sent as the escape it was
        return json.dumps(value, sort_keys=True, separators=(",", ":"))
    return text


def _object(text: str) -> Contents | None:
    """The JSON object that a text is; None for every other text."""
    try:
        value = json.loads(text, parse_constant=_refuse)
        is_shallow = _is_shallow(value)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) and is_shallow else None


def _refuse(constant: str) -> Any:
    raise ValueError(f"{constant} is not JSON")


_DEEPEST = 100


def _is_shallow(value: Any) -> bool:
    level = [value]
    for _ in range(_DEEPEST):
        level = [
            item
            for holder in level
            if isinstance(holder, dict | list)
            for item in (holder.values() if isinstance(holder, dict) else holder)
        ]
    return not level
