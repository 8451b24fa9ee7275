"""Reads the file of variables given beside a manifest."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


def read(path: Path) -> tuple[dict[str, str], tuple[str, ...]]:
    """Its variables and warnings; a file that cannot be read has none and one warning."""
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        return {}, (f"Failed to read env file '{path}': {error.strerror or error}",)
    except UnicodeError:
        return {}, (f"Failed to read env file '{path}': it is not UTF-8 text",)
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
