"""Who an instance runs as, and how it is confined, in lines for `ring deployment inspect`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ring.cli.rows import mapping
from ring.core.model import process_settings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ring.cli.rows import Row

_SHOWN: Final = (
    "security",
    *(name for name in process_settings.NAMES if name not in process_settings.STOPPING),
)


def user(row: Row) -> str | None:
    """`1000:1000`, `1000`, `privileged`, `0, privileged`; None: the image decides."""
    declared = mapping(mapping(row.get("config")).get("user"))
    ids = [f"{declared[key]}" for key in ("id", "group") if declared.get(key) is not None]
    parts = [":".join(ids)] if ids else []
    if declared.get("privileged") is True:
        parts.append("privileged")
    return ", ".join(parts) or None


def settings(row: Row) -> list[str]:
    """One line each, named as the manifest names them."""
    declared = ((name, row[name]) for name in _SHOWN if name in row)
    return [line for name, value in declared for line in _lines(name, value)]


def _lines(path: str, value: object) -> Iterator[str]:
    if isinstance(value, dict):
        for key, member in value.items():
            yield from _lines(f"{path}.{key}", member)
    elif isinstance(value, list) and any(isinstance(item, dict) for item in value):
        for index, item in enumerate(value):
            yield f"{path}[{index}] = {_together(item)}"
    elif isinstance(value, list):
        yield f"{path} = {', '.join(map(str, value))}"
    else:
        yield f"{path} = {_word(value)}"


def _together(item: object) -> str:
    return ", ".join(f"{key} {_word(value)}" for key, value in mapping(item).items())


def _word(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
