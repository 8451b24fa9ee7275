"""Every statement of the store, by name: `<noun>.sql` holds blocks that begin `-- name: <name>`."""

from __future__ import annotations

from functools import cache
from importlib.resources import files


@cache
def query(noun: str, name: str) -> str:
    """The text of one statement. Raises KeyError for a name the file does not have."""
    return _statements(noun)[name]


@cache
def _statements(noun: str) -> dict[str, str]:
    text = (files(__name__) / f"{noun}.sql").read_text("utf-8")
    blocks = text.split("-- name: ")[1:]
    return {
        name.strip(): body.strip() for name, _, body in (block.partition("\n") for block in blocks)
    }
