"""Keys of the file that a variable of the environment goes before.

What is wrong in the file stops the start; what is wrong in the variable is told and passed over.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

from ring.core.model.quantities import QuantityError

if TYPE_CHECKING:
    from collections.abc import Callable

    from ring.settings.sources import Environ, Table

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Key(Generic[T]):
    """One of a table's."""

    name: str
    variable: str
    usual: str
    """What counts where nobody says anything, written as in the variable."""
    wanted: str
    """What may stand there, for whoever wrote something else."""
    read: Callable[[str], T]
    """What a text means. Raises QuantityError."""
    types: tuple[type, ...] = (str,)
    """Of its value in the file."""

    def told(self, table: Table, environ: Environ, warnings: list[str]) -> T:
        """Raises UserError naming the key of the file."""
        written = self._written(table)
        configured = self._configured(table, written)
        raw = environ.get(self.variable)
        if not raw:
            return configured
        try:
            return self.read(raw)
        except QuantityError:
            warnings.append(f"{self.variable} '{raw}' is not {self.wanted}, using {written}")
            return configured

    def _written(self, table: Table) -> str:
        if self.name not in table:
            return self.usual
        written = table.values[self.name]
        if type(written) not in self.types:  # a boolean is no number here
            raise table.wrong(self.name, self.wanted)
        return str(written)

    def _configured(self, table: Table, written: str) -> T:
        try:
            return self.read(written)
        except QuantityError as error:
            raise table.wrong(self.name, self.wanted) from error


def whole_number(name: str, variable: str, *, usual: int, least: int, most: int) -> Key[int]:
    """A key whose value is a number of this range."""

    def read(text: str) -> int:
        if not re.fullmatch("[0-9]{1,9}", text) or not least <= int(text) <= most:
            raise QuantityError(f"{text!r} is not in its range")
        return int(text)

    return Key(
        name=name,
        variable=variable,
        usual=str(usual),
        wanted=f"a number from {least} to {most}",
        read=read,
        types=(int,),
    )
