"""No value that a message may not contain is left in it, however an engine quotes it."""

from __future__ import annotations

import json

import pytest

from ring.engine.operating.scrubbing import scrubbed, scrubbed_end

SECRET = 'p"ss\nwörd-7f3a'


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("invalid environment variable: KEY=hunter2", "invalid environment variable: KEY=***"),
        ("hunter2 and hunter2", "*** and ***"),
        ("nothing of it", "nothing of it"),
        ("", ""),
        ("cut off at KEY=hunte", "cut off at KEY=***"),
        ("cut off at KEY=hun", "cut off at KEY=hun"),
    ],
)
def test_a_value_is_replaced(text: str, expected: str) -> None:
    assert scrubbed(text, ["hunter2"]) == expected


def test_a_value_is_found_quoted_and_line_by_line() -> None:
    for quoted in (SECRET, 'p\\"ss\\nw\\u00f6rd-7f3a', 'p\\"ss\\nwörd-7f3a', "wörd-7f3a"):
        assert scrubbed(f"bad: <{quoted}>", [SECRET]) == "bad: <***>"


def test_short_values_are_none() -> None:
    assert scrubbed("an abc of errors", ["abc", "", "a"]) == "an abc of errors"


def test_the_longest_goes_first() -> None:
    assert scrubbed("see hunter2-and-more", ["hunter2", "hunter2-and-more"]) == "see ***"


def test_many_lines_cost_little() -> None:
    value = "\n".join(f"line {number:06}" for number in range(50_000))
    assert scrubbed("an error without any of it " * 70, [value]).startswith("an error")


@pytest.mark.parametrize("value", [" hunter2 ", "\thunter2", "hunter2\x0b", "one\n  hunter2\ntwo"])
def test_blanks_around_a_value_may_be_lost(value: str) -> None:
    assert scrubbed("bad: <hunter2>", [value]) == "bad: <***>"


@pytest.mark.parametrize("char", ['"', "\\", "\x7f", "\x1b", "ä", "\u2028", "😀"])
def test_what_a_quoted_string_escapes_is_found_escaped(char: str) -> None:
    value = f"hunt{char}er2"
    for ascii_only in (True, False):
        quoted = json.dumps(value, ensure_ascii=ascii_only)
        assert scrubbed(f"bad: {quoted}", [value]) == 'bad: "***"'


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("unter2 is wrong", "*** is wrong"),
        ("er2 is wrong", "er2 is wrong"),
        ("hunter2 and hun", "*** and hun"),
        ("and hunte", "and ***"),
        ("unte", "***"),
        (" unte\nwrong", "***\nwrong"),
        ("nothing of it", "nothing of it"),
        ("", ""),
    ],
)
def test_the_end_of_a_text_may_begin_within_a_value(text: str, expected: str) -> None:
    assert scrubbed_end(text, ["hunter2"], is_cut=True) == expected


def test_a_whole_text_does_not_begin_within_a_value() -> None:
    assert scrubbed_end("unter2 is wrong", ["hunter2"], is_cut=False) == "unter2 is wrong"
    assert scrubbed_end("a hunter2", ["hunter2"], is_cut=False) == "a ***"


def test_the_end_of_a_text_with_a_value_of_many_lines_costs_little() -> None:
    value = "\n".join(f"line {number:06}" for number in range(50_000))
    text = "an error without any of it " * 40
    assert scrubbed_end(text, [value], is_cut=True) == text
