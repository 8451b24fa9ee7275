"""The rules of log lines, case by case and over everything."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ring.core.errors import UserError
from ring.core.logs import (
    EPOCH,
    LONGEST_LINE_BYTES,
    Bookmark,
    level_of,
    moment_of,
    parse_since,
    records,
    text_of,
)
from ring.core.model.ids import InstanceName
from ring.core.model.logs import LogLevel, LogLine, Stream

AT = datetime(2027, 3, 2, 8, 15, 4, 120934, UTC)
NAME = InstanceName("shop_web_0a1b2c3d")


@pytest.mark.parametrize(
    ("message", "level"),
    [
        ("2027/03/02 [error] 7#7: refused", "error"),
        ("[warning] soon", "warning"),
        ("[notice] start", "info"),
        ("[info] start", "info"),
        ("app info: up", "info"),
        ("[error] then [info]", "error"),
        ("[warning] then [error]", "error"),
        ("[info] but panic:", "info"),
        ("Kernel panic - not syncing", "error"),
        ("BUG: unable to handle", "error"),
        ("Oops: 0000", "error"),
        ("x oops: y", "error"),
        ("panic: runtime error", "error"),
        ("<0>a", "error"),
        ("<3>a", "error"),
        ("<4>a", "warning"),
        ("<5>a", "info"),
        ("<6>a", "info"),
        ("<7>a", "debug"),
        ("[    1.234567] <4>usb", "warning"),
        ("[12:00]<7>usb", "debug"),
        ("<8>a", "unknown"),
        ("<12>a", "unknown"),
        ("a <3>", "unknown"),
        ("<6>a panic: b", "error"),
        ("<6>an [ERROR]", "info"),
        ("[ERROR] x", "error"),
        ("[CRITICAL] x", "error"),
        ("[WARNING] x", "warning"),
        ("[WARN] x", "warning"),
        ("[NOTICE] x", "info"),
        ("[INFO] x", "info"),
        ("[DEBUG] x", "debug"),
        ("[DEBUG] an ERROR", "debug"),
        ("[INFO] a [WARN]", "warning"),
        ("x ERROR y", "error"),
        ("CRITICALLY", "error"),
        ("12 ERR x", "error"),
        ("ERR x", "unknown"),
        ("WARNING x", "warning"),
        ("12 WARN x", "warning"),
        ("WARN x", "unknown"),
        ("NOTICE x", "info"),
        ("12 INFO x", "info"),
        ("INFO: x", "info"),
        ("INFORMAL", "unknown"),
        ("12 DEBUG x", "debug"),
        ("DEBUG: x", "debug"),
        ("DEBUG: x BUG: y", "error"),
        ("a WARNING about an ERROR", "error"),
        ("plain", "unknown"),
        ('{"level":"info","msg":"[error] count 0"}', "info"),
        ('{"level":"WARN"}', "warning"),
        ('{"severity":"CRITICAL"}', "error"),
        ('{"level":"odd","severity":"debug"}', "debug"),
        ('{"level":30,"msg":"x"}', "unknown"),
        ('{"level":"odd","msg":"an ERROR"}', "error"),
        ('{"level":"info"', "unknown"),
        ("[" * 100_000, "unknown"),
        ('{"a":' * 50_000, "unknown"),
    ],
)
def test_level(message: str, level: str) -> None:
    assert level_of(message) == level


@given(st.text())
def test_every_line_has_a_level(message: str) -> None:
    assert level_of(message) in set(LogLevel)


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        (b"a\n", "a"),
        (b"a\r\n", "a"),
        (b"  a \t\n", "  a \t"),
        (b"50%\r100%\n", "50%\r100%"),
        (b"", None),
        (b"\r\n", None),
        (b" \t \n", None),
        (b"a\xffb", "a\ufffdb"),
        ("é".encode()[:1], "\ufffd"),
        (b"x" * LONGEST_LINE_BYTES, "x" * LONGEST_LINE_BYTES),
        (b"x" * (LONGEST_LINE_BYTES + 9), "x" * LONGEST_LINE_BYTES),
        (b"x" + "é".encode() * LONGEST_LINE_BYTES, "x" + "é" * (LONGEST_LINE_BYTES // 2 - 1)),
        (b"\x80" * (LONGEST_LINE_BYTES + 9), "\ufffd" * LONGEST_LINE_BYTES),
    ],
)
def test_text(raw: bytes, text: str | None) -> None:
    assert text_of(raw) == text


@given(st.text(alphabet=st.characters(codec="utf-8", exclude_characters="\r\n"), min_size=1))
def test_text_is_kept(text: str) -> None:
    assert text_of(text.encode() + b"\n") == (text if text.strip() else None)


@pytest.mark.parametrize(
    ("line", "timestamp"),
    [
        (LogLine("stdout", "2027/01/01 00:00:00 x", AT), AT),
        (LogLine("stdout", "at 2027/01/01 00:00:00, 2028/01/01 00:00:00", None),
         "2027/01/01 00:00:00"),
        (LogLine("stderr", "2027/1/1 00:00:00", None), None),
    ],
)  # fmt: skip
def test_timestamp(line: LogLine, timestamp: object) -> None:
    (made,) = records(NAME, [line])
    assert (made.instance, made.message, made.stream) == (NAME, line.message, line.stream)
    assert made.timestamp == timestamp


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("30s", AT - timedelta(seconds=30)),
        ("0s", AT),
        ("10m", AT - timedelta(minutes=10)),
        ("2h", AT - timedelta(hours=2)),
        ("999999999999999h", EPOCH),
        ("2027-03-02T08:15:04.120934Z", AT),
        ("2027-03-02t10:15:04.120934999+02:00", AT),
        ("2027-03-02 08:15:04Z", AT.replace(microsecond=0)),
        ("0001-01-01T00:00:00+23:00", EPOCH),
    ],
)
def test_since(text: str, moment: datetime) -> None:
    assert parse_since(text, AT) == moment


@pytest.mark.parametrize(
    "text",
    [
        *("", "5x", "5", "s", "-5s", "5.5s", "1h30m", " 5s", "٣s", "yesterday"),
        *("2027-03-02", "2027-03-02T08:15:04", "2027-13-02T08:15:04Z", "2027-W09-2T08:15:04Z"),
        "9" * 5000 + "h",
    ],
)
def test_since_refused(text: str) -> None:
    with pytest.raises(UserError, match="use 30s, 10m, 2h or an RFC 3339 timestamp"):
        parse_since(text, AT)


@pytest.mark.parametrize(
    ("timestamp", "moment"),
    [
        ("2027-03-02T08:15:04.120934Z", AT),
        ("2027/03/02 08:15:04", None),
        ("Tuesday", None),
        (None, None),
    ],
)
def test_moment(timestamp: object, moment: datetime | None) -> None:
    assert moment_of(timestamp) == moment


# Reading on: (source, tick, message) triples, in one order for each source.
_LINES = st.lists(st.tuples(st.integers(0, 2), st.integers(0, 3), st.sampled_from("ab")))


def _at(tick: int) -> datetime:
    return AT + timedelta(seconds=tick)


@given(_LINES, st.data())
def test_reading_again_repeats_and_loses_nothing(
    made: list[tuple[int, int, str]], data: st.DataObject
) -> None:
    """Whatever was read before a break, reading on gives exactly the rest."""
    lines = sorted(made, key=lambda line: (line[0], line[1]))
    sources = [[line for line in lines if line[0] == source] for source in range(3)]
    read = [each[: data.draw(st.integers(0, len(each)))] for each in sources]
    bookmark: Bookmark[object] = Bookmark()
    for source, tick, message in (line for each in read for line in each):
        assert bookmark.takes(source, _at(tick), message)
    for _ in range(2):
        # The sources that are known are read from the earliest place; the others are read whole.
        since = bookmark.since() or EPOCH
        bookmark.resume()
        for each, known in zip(sources, read, strict=True):
            again = [line for line in each if not known or _at(line[1]) >= since]
            fresh = [line for line in again if bookmark.takes(line[0], _at(line[1]), line[2])]
            assert fresh == each[len(known) :]
        read = sources


def test_a_source_that_is_no_more_holds_nothing_back() -> None:
    bookmark: Bookmark[object] = Bookmark()
    assert bookmark.takes("old", _at(0), "a")
    assert bookmark.takes("new", _at(9), "a")
    bookmark.resume()
    assert not bookmark.takes("new", _at(9), "a")
    assert bookmark.since() == _at(0)
    bookmark.forget_unseen()
    assert bookmark.since() == _at(9)


def test_a_clock_that_goes_back_hides_nothing_that_is_new() -> None:
    bookmark: Bookmark[object] = Bookmark()
    assert bookmark.takes("a", _at(5), "x")
    assert bookmark.takes("a", _at(4), "y")
    assert bookmark.since() == _at(5)


def test_a_line_without_a_time_is_always_new() -> None:
    bookmark: Bookmark[object] = Bookmark()
    assert bookmark.takes("a", None, "x")
    bookmark.resume()
    assert bookmark.takes("a", None, "x")
    assert bookmark.since() is None


def test_what_is_kept_no_more_is_a_gap_told_once() -> None:
    bookmark: Bookmark[Stream] = Bookmark()
    assert bookmark.fresh([LogLine("stdout", "x", _at(1)), LogLine("stderr", "y", _at(1))])
    bookmark.resume()
    assert bookmark.fresh([LogLine("stderr", "y", _at(1))]) == []
    assert bookmark.fresh([LogLine("stdout", "z", _at(5)), LogLine("stderr", "z", _at(5))])
    assert bookmark.gaps() == [("stdout", _at(1), _at(5))]
    assert bookmark.gaps() == []


@given(_LINES)
def test_what_is_kept_has_no_gap(made: list[tuple[int, int, str]]) -> None:
    lines = [
        LogLine("stderr" if source else "stdout", message, _at(tick))
        for source, tick, message in sorted(made, key=lambda line: line[1])
    ]
    bookmark: Bookmark[Stream] = Bookmark()
    assert list(bookmark.fresh(lines)) == lines
    bookmark.resume()
    late = LogLine("stdout", "late", _at(9))
    assert bookmark.fresh([*lines, late]) == [late]
    assert bookmark.gaps() == []
