"""A log's bytes to lines, in pieces of any size."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ring.core.logs import LONGEST_LINE_BYTES, text_of
from ring.core.model.logs import LogLine
from ring.runtimes.containerd.logkeeper.records import Records
from ring.runtimes.containerd.logs.decoder import Decoder

if TYPE_CHECKING:
    from collections.abc import Iterable

AT = datetime(2027, 3, 2, 8, 15, 4, 120934, UTC)
LATER = datetime(2027, 3, 2, 8, 15, 5, 0, UTC)
STAMP = b"2027-03-02T08:15:04.120934567Z "
LATER_STAMP = b"2027-03-02T08:15:05.000000000Z "
OUT, ERR = STAMP + b"stdout F ", STAMP + b"stderr F "
PIECE = STAMP + b"stdout P "


def decoded(*chunks: bytes) -> list[LogLine]:
    decoder = Decoder()
    lines = [line for chunk in chunks for line in decoder.feed(chunk)]
    return [*lines, *decoder.end()]


def pieces(whole: bytes, cuts: Iterable[int]) -> list[bytes]:
    places = [0, *sorted({cut % (len(whole) + 1) for cut in cuts}), len(whole)]
    return [whole[begin:end] for begin, end in itertools.pairwise(places)]


def test_lines_have_their_stream_and_time() -> None:
    assert decoded(OUT + b"one\n" + ERR + b"two\r\n" + LATER_STAMP + b"stdout F three\n") == [
        LogLine("stdout", "one", AT),
        LogLine("stderr", "two", AT),
        LogLine("stdout", "three", LATER),
    ]


def test_blank_ones_are_dropped_and_garbage_is_replaced() -> None:
    assert decoded(OUT + b"\n" + OUT + b"  \r\n" + OUT + b"\xff\xfe!\n") == [
        LogLine("stdout", "\ufffd\ufffd!", AT)
    ]


def test_a_line_in_pieces_has_the_time_of_the_first() -> None:
    end = LATER_STAMP + b"stdout F c\n"
    assert decoded(PIECE + b"a\n" + ERR + b"between\n" + PIECE + b"b\n" + end) == [
        LogLine("stderr", "between", AT),
        LogLine("stdout", "abc", AT),
    ]


def test_what_has_no_end_is_told_at_the_end() -> None:
    decoder = Decoder()
    assert decoder.feed(PIECE + b"a\n" + PIECE + b"b\n" + ERR + b"x") == []
    assert decoder.is_open
    assert decoder.end() == [LogLine("stderr", "x", AT), LogLine("stdout", "ab", AT)]
    assert not decoder.is_open


def test_a_long_line_is_cut() -> None:
    long = b"x" * (LONGEST_LINE_BYTES - 1) + "é".encode() + b"y" * 500_000
    whole = "x" * (LONGEST_LINE_BYTES - 1)
    assert decoded(OUT + long + b"\n") == [LogLine("stdout", whole, AT)]
    in_pieces = b"".join(PIECE + part + b"\n" for part in pieces(long, range(0, 10**6, 999)))
    assert decoded(in_pieces + OUT + b"\n") == [LogLine("stdout", whole, AT)]


def test_bare_lines_have_no_time() -> None:
    assert decoded(b"one\n\ntwo three four five\n2027-03-02T08:15:04Z stdout X six\nlast") == [
        LogLine("stdout", "one", None),
        LogLine("stdout", "two three four five", None),
        LogLine("stdout", "2027-03-02T08:15:04Z stdout X six", None),
        LogLine("stdout", "last", None),
    ]


@pytest.mark.parametrize("stamp", ["2027-03-02T08:15:05Z", "2027-03-02T09:15:05.0+01:00"])
def test_times_as_others_write_them(stamp: str) -> None:
    assert decoded(f"{stamp} stderr F a b\n".encode()) == [LogLine("stderr", "a b", LATER)]


@given(
    written=st.lists(
        st.tuples(st.sampled_from([b"stdout", b"stderr"]), st.binary(min_size=1, max_size=40)),
        max_size=12,
    ),
    cuts=st.lists(st.integers(0, 4000), max_size=12),
)
def test_what_was_written_comes_out_however_it_is_split(
    written: list[tuple[bytes, bytes]], cuts: list[int]
) -> None:
    keepers = {stream: Records(stream) for stream in (b"stdout", b"stderr")}
    kept = b"".join(keepers[stream].take(said, STAMP) for stream, said in written)
    found = decoded(*pieces(kept, cuts))
    for stream in ("stdout", "stderr"):
        said = b"".join(part for source, part in written if source == stream.encode())
        texts = [text for line in said.split(b"\n") if (text := text_of(line)) is not None]
        assert [line.message for line in found if line.stream == stream] == texts


@given(st.lists(st.binary(max_size=60)), st.lists(st.integers(0, 4000), max_size=12))
def test_no_bytes_are_too_odd(parts: list[bytes], cuts: list[int]) -> None:
    whole = OUT.join(parts)
    assert decoded(*pieces(whole, cuts)) == decoded(whole)
