"""ASCII grids: one resource is one physical line, never wrapped, never cut."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ring.cli.text import one_line

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from ring.cli.terminal import Terminal


class Grid:
    """Columns with a width each; rows added later may widen them, but only for what follows."""

    def __init__(
        self,
        headers: Sequence[str],
        *,
        right_first: bool = False,
        colours: Mapping[str, Mapping[str, str]] | None = None,
    ) -> None:
        """`colours` maps a header to the colour of each word its column may show."""
        self._headers = tuple(headers)
        self._widths = [len(header) for header in headers]
        self._right_first = right_first
        self._colours = colours or {}

    def render(self, rows: Iterable[Sequence[object]], terminal: Terminal) -> str:
        """Header and rows, rules around each; no line end after the last rule."""
        cells = self._cells(rows)
        rule = self._rule()
        head = self._line(self._headers, None)
        return "\n".join([rule, head, rule, *self._body(cells, rule, terminal)])

    def more(self, rows: Iterable[Sequence[object]], terminal: Terminal) -> str:
        """Further rows under a grid that is already printed."""
        cells = self._cells(rows)
        return "\n".join(self._body(cells, self._rule(), terminal))

    def _cells(self, rows: Iterable[Sequence[object]]) -> list[list[str]]:
        cells = [[one_line(value) for value in row] for row in rows]
        for row in cells:
            widths = zip(self._widths, row, strict=True)
            self._widths = [max(width, len(cell)) for width, cell in widths]
        return cells

    def _body(self, cells: list[list[str]], rule: str, terminal: Terminal) -> Iterable[str]:
        for row in cells:
            yield self._line(row, terminal)
            yield rule

    def _rule(self) -> str:
        return "+" + "+".join("-" * (width + 2) for width in self._widths) + "+"

    def _line(self, row: Sequence[str], terminal: Terminal | None) -> str:
        parts = []
        for column, (cell, width) in enumerate(zip(row, self._widths, strict=True)):
            right = self._right_first and column == 0
            padded = cell.rjust(width) if right else cell.ljust(width)
            colour = self._colours.get(self._headers[column], {}).get(cell)
            parts.append(terminal.paint(padded, colour) if terminal else padded)
        return "| " + " | ".join(parts) + " |"


def grid(
    headers: Sequence[str],
    rows: Iterable[Sequence[object]],
    terminal: Terminal,
    *,
    right_first: bool = False,
    colours: Mapping[str, Mapping[str, str]] | None = None,
) -> str:
    """A whole table as text."""
    return Grid(headers, right_first=right_first, colours=colours).render(rows, terminal)
