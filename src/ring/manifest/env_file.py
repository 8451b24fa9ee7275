"""Reads the file of variables given beside a manifest."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ring.manifest import files
from ring.manifest.errors import Unreadable

if TYPE_CHECKING:
    from pathlib import Path


def read(path: Path) -> tuple[dict[str, str], tuple[str, ...]]:
    """Its variables and warnings; a file that cannot be read has none and one warning."""
    try:
        text = files.text(files.without_mark(files.read(path)))
    except Unreadable as error:
        return {}, (f"Failed to read env file '{path}': {error.message}",)
    return parse(text, str(path))


def parse(text: str, origin: str) -> tuple[dict[str, str], tuple[str, ...]]:
    """`KEY=value` lines; the last of several wins. No escapes, no expansion, no inline comments."""
    variables: dict[str, str] = {}
    warnings = []
    for number, raw in enumerate(text.split("\n"), 1):
        line = raw.strip()
        if not line or line.startswith("#"):
            continue
        key, equals, value = line.removeprefix("export ").partition("=")
        if equals:
            variables[key.strip()] = value.strip().strip('"').strip("'")
        else:
            warnings.append(f"Invalid env line {number} in '{origin}': {line}")
    return variables, tuple(warnings)
