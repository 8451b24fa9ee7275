"""Grids and the text in them."""

from __future__ import annotations

import io

import pytest

from ring.cli.tables import Grid, grid
from ring.cli.terminal import GREEN, Terminal
from ring.cli.text import json_line, one_line, printable, utc


class Screen(io.StringIO):
    """A terminal that keeps what it shows."""

    def isatty(self) -> bool:
        return True


def plain() -> Terminal:
    return Terminal(io.StringIO(), {})


def test_a_grid_has_rules_around_every_row() -> None:
    assert grid(("Id", "Name"), [("1", "web"), ("22", None)], plain()) == (
        "+----+------+\n"
        "| Id | Name |\n"
        "+----+------+\n"
        "| 1  | web  |\n"
        "+----+------+\n"
        "| 22 |      |\n"
        "+----+------+"
    )


def test_an_empty_grid_shows_its_header() -> None:
    assert grid(("Id",), [], plain()) == "+----+\n| Id |\n+----+"


def test_the_first_column_may_lean_right() -> None:
    text = grid(("ID", "N"), [("1", "2"), ("100", "2")], plain(), right_first=True)
    assert "|  ID | N |" in text
    assert "|   1 | 2 |" in text


def test_a_cell_never_breaks_its_line_nor_the_terminal() -> None:
    text = grid(("Message",), [("one\ntwo\x1b[31mred\x07\x9b" + "x" * 300,)], plain())
    assert len(text.splitlines()) == 5
    assert "one two\\x1b[31mred\\x07\\x9b" in text
    assert "x" * 300 in text


def test_later_rows_widen_what_follows() -> None:
    out = Grid(("A",))
    out.render([("1",)], plain())
    assert out.more([("wide",)], plain()) == "| wide |\n+------+"


def test_colour_is_for_terminals_and_not_for_the_unwilling() -> None:
    colours = {"S": {"up": GREEN}}
    shown = grid(("S",), [("up",), ("down",)], Terminal(Screen(), {}), colours=colours)
    assert shown.count("\x1b") == 2
    assert "\x1b[32mup  \x1b[0m" in shown
    refused = grid(("S",), [("up",)], Terminal(Screen(), {"NO_COLOR": "1"}), colours=colours)
    assert "\x1b" not in refused
    empty = Terminal(Screen(), {"NO_COLOR": ""})
    assert empty.colour
    assert "\x1b" not in grid(("S",), [("up",)], plain(), colours=colours)


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("2026-02-11T08:14:09.120331Z", "2026-02-11 08:14:09"),
        ("2026-02-11T10:14:09+02:00", "2026-02-11 08:14:09"),
        ("2026-02-11 08:14:09.5 UTC", "2026-02-11 08:14:09"),
        ("2026-02-11 08:14:09 UTC", "2026-02-11 08:14:09"),
        ("", ""),
        (None, ""),
        ("soon", "soon"),
        ("2026-02-11", "2026-02-11"),
        (7, "7"),
    ],
)
def test_dates(value: object, shown: str) -> None:
    assert utc(value) == shown


@pytest.mark.parametrize("unseen", "\u200b\u200f\u2029\u202a\u202e\u2060\u2066\u2069\ufeff")
def test_what_is_unseen_or_turns_text_around_is_spelled_out(unseen: str) -> None:
    spelled = f"\\u{ord(unseen):04x}"
    assert printable(f"a{unseen}b") == f"a{spelled}b"
    assert json_line(f'["a{unseen}b"]') == f'["a{spelled}b"]'


def test_messages_keep_their_lines_and_lose_their_controls() -> None:
    assert printable("a\n\tb\x1b]0;x\x07\r\u2028") == "a\n\tb\\x1b]0;x\\x07\\r\\u2028"
    assert one_line("a\r\nb\tc") == "a b c"
