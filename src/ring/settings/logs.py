"""`[server.logs]`: how much is kept of what instances wrote that have ended."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ring.core.model.logs import USUAL, Allowance
from ring.core.model.quantities import QuantityError, parse_memory

if TYPE_CHECKING:
    from collections.abc import Callable

    from ring.settings.sources import Environ, Table

_MOST_INSTANCES = 100
_SMALLEST = 256 * 1024
"""Of a total size that is not 0: what one instance leaves fits in it."""
_LARGEST = 1024 * 1024 * 1024


def logs(table: Table, environ: Environ, warnings: list[str]) -> Allowance:
    """`[server.logs]` under the environment. Raises UserError naming the key that cannot be."""
    return Allowance(
        instances=_INSTANCES.under(environ, table, USUAL.instances, warnings),
        size=_SIZE.under(environ, table, USUAL.size, warnings),
    )


@dataclass(frozen=True, slots=True)
class _Key:
    """One of the table's, and the variable that goes before it."""

    name: str
    variable: str
    wanted: str
    read: Callable[[str], int | None]
    """What a text means; None where it may not stand here."""

    def under(self, environ: Environ, table: Table, usual: int, warnings: list[str]) -> int:
        configured = self._configured(table, usual)
        raw = environ.get(self.variable)
        if not raw:
            return configured
        if (said := self.read(raw)) is not None:
            return said
        warnings.append(f"{self.variable} '{raw}' is not {self.wanted}, using {configured}")
        return configured

    def _configured(self, table: Table, usual: int) -> int:
        if self.name not in table:
            return usual
        written = table.values[self.name]
        is_text = isinstance(written, str | int) and not isinstance(written, bool)
        said = self.read(str(written)) if is_text else None
        if said is None:
            raise table.wrong(self.name, self.wanted)
        return said


def _instances(text: str) -> int | None:
    is_number = text.isascii() and text.isdecimal() and len(text) < 5
    return int(text) if is_number and int(text) <= _MOST_INSTANCES else None


def _size(text: str) -> int | None:
    if text == "0":
        return 0
    try:
        size = parse_memory(text)
    except QuantityError:
        return None
    return size if _SMALLEST <= size <= _LARGEST else None


_INSTANCES = _Key(
    "ended_instances",
    "RING_LOGS_ENDED_INSTANCES",
    f"a number from 0 to {_MOST_INSTANCES}",
    _instances,
)
_SIZE = _Key("ended_size", "RING_LOGS_ENDED_SIZE", "0, or a size from '256Ki' to '1Gi'", _size)
