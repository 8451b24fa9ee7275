"""What is known of each instance's attachment, a file each: what its plugins said, and with what
they were called, so that they can be called back whatever has become of the configuration.

It is written before the first plugin runs: what a crash leaves behind is found by it.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from pathlib import Path

_MARK: Final = ".json"
_TEMPORARY: Final = ".new"


@dataclass(frozen=True, slots=True)
class Record:
    container_id: str
    server_id: str
    """Who made it, and may take it away without being asked."""
    network: str
    config: dict[str, Any]
    """The network's configuration as it was then, with the plugins that were run."""
    capabilities: dict[str, Any] = field(default_factory=dict)
    result: dict[str, Any] | None = None
    """None: ADD has not ended well, or not yet."""
    links: dict[str, int] = field(default_factory=dict)
    """The interfaces of the host's side, each with its index."""
    has_ports: bool = False
    """Some are published for it."""
    names: tuple[str, ...] = ()
    """What it is found by on its network."""
    is_ready: bool = True
    is_gone: bool = False
    """It has ended: nobody is to be sent there."""
    has_left: bool = False
    """It is on the network no more, but not all that it had could be given back."""


class Results:
    """Blocks, for files of a kilobyte."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def read(self, container_id: str) -> Record | None:
        """None: there is none, or what is there is damaged."""
        try:
            told = json.loads(self._path(container_id).read_text(encoding="utf-8"))
            return Record(**{**told, "names": tuple(told["names"])})
        except (OSError, ValueError, TypeError, KeyError, RecursionError):
            return None

    def write(self, record: Record) -> None:
        """Whole or not at all. Raises OSError."""
        path = self._path(record.container_id)
        temporary = path.with_suffix(_TEMPORARY)
        text = json.dumps(asdict(record), separators=(",", ":"))
        try:
            temporary.write_text(text, encoding="utf-8")
        except FileNotFoundError:
            self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            temporary.write_text(text, encoding="utf-8")
        temporary.replace(path)

    def remove(self, container_id: str) -> None:
        """Gone already is success. Raises OSError."""
        self._path(container_id).unlink(missing_ok=True)

    def is_there(self, container_id: str) -> bool:
        return self._path(container_id).exists()

    def all(self) -> list[Record]:
        """Without what is damaged."""
        try:
            names = sorted(path.stem for path in self._directory.glob(f"*{_MARK}"))
        except OSError:
            return []
        found = (self.read(name) for name in names)
        return [record for record in found if record is not None]

    def _path(self, container_id: str) -> Path:
        return self._directory / f"{container_id}{_MARK}"
