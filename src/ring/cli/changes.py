"""Changes of a deployment's fields, as the API lists them, in lines for people.

`image: "web:1" -> "web:2"`: one line a field, values as JSON, so that a line is found by its path
and both values; what is not set is a dash. Equal values stand for something that is only referred
to and has itself changed, which the path says; the path is then all there is to show.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ring.cli.rows import members
from ring.cli.terminal import GREEN, RED
from ring.cli.text import compact, one_line, printable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ring.cli.rows import Row
    from ring.cli.terminal import Terminal

UNSET = "-"
MOST = 4  # paths in one headline


def one_each(changes: object, terminal: Terminal) -> Iterator[str]:
    """`path: before -> after`."""
    for change in members(changes):
        if _is_renewed(change):
            yield one_line(change.get("path"))
            continue
        before = terminal.paint(_value(change.get("before")), RED)
        after = terminal.paint(_value(change.get("after")), GREEN)
        yield f"{one_line(change.get('path'))}: {before} -> {after}"


def before_and_after(changes: object, terminal: Terminal) -> Iterator[str]:
    """The path, then a line for each value that there is: `- before`, `+ after`."""
    for change in members(changes):
        if _is_renewed(change):
            yield one_line(change.get("path"))
            continue
        yield f"{one_line(change.get('path'))}:"
        for sign, key, colour in (("-", "before", RED), ("+", "after", GREEN)):
            if change.get(key) is not None:
                yield terminal.paint(f"  {sign} {_value(change[key])}", colour)


def paths(changes: object) -> str:
    """What has changed, in short."""
    return ", ".join(one_line(change.get("path")) for change in members(changes))


def in_short(changes: object) -> str:
    """`image changes`; of many only the first. One whose path says it all stands alone."""
    listed = members(changes)
    named = [one_line(change.get("path")) for change in listed]
    if len(named) == 1:
        return named[0] if _is_renewed(listed[0]) else f"{named[0]} changes"
    more = f" and {len(named) - MOST} more" if len(named) > MOST else ""
    return f"{', '.join(named[:MOST])}{more} change"


def value_at(changes: object, path: str, key: str) -> object:
    """What a field was, or becomes; None where it stays."""
    found: list[Row] = [change for change in members(changes) if change.get("path") == path]
    return found[0].get(key) if found else None


def _is_renewed(change: Row) -> bool:
    return change.get("before") == change.get("after")


def _value(value: object) -> str:
    return UNSET if value is None else printable(compact(value))
