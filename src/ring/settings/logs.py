"""`[server.logs]`: how much is kept of what instances wrote that have ended."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ring.core.model.logs import USUAL, Allowance
from ring.core.model.quantities import QuantityError, parse_memory
from ring.settings.keys import Key, whole_number

if TYPE_CHECKING:
    from ring.settings.sources import Environ, Table

_SMALLEST = 256 * 1024
"""Of a total size that is not 0: what one instance leaves fits in it."""
_LARGEST = 1024 * 1024 * 1024


def logs(table: Table, environ: Environ, warnings: list[str]) -> Allowance:
    """`[server.logs]` under the environment. Raises UserError naming the key that cannot be."""
    return Allowance(
        instances=_INSTANCES.told(table, environ, warnings),
        size=_SIZE.told(table, environ, warnings),
    )


def _size(text: str) -> int:
    """Raises QuantityError."""
    if text == "0":
        return 0
    size = parse_memory(text)
    if not _SMALLEST <= size <= _LARGEST:
        raise QuantityError(f"{text!r} is not in its range")
    return size


_INSTANCES = whole_number(
    "ended_instances", "RING_LOGS_ENDED_INSTANCES", usual=USUAL.instances, least=0, most=100
)
_SIZE = Key(
    name="ended_size",
    variable="RING_LOGS_ENDED_SIZE",
    usual=str(USUAL.size),
    wanted="0, or a size from '256Ki' to '1Gi'",
    read=_size,
    types=(str, int),
)
