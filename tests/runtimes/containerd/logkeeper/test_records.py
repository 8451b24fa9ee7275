"""Bytes as they are read, to records."""

from __future__ import annotations

import pytest

from ring.runtimes.containerd.logkeeper.records import HEAD_BYTES, Records, Stamps, mend, unfinished

STAMP = b"2027-03-02T08:15:04.120934567Z "
OUT = STAMP + b"stdout F "
PIECE = STAMP + b"stdout P "


def test_times_have_nanoseconds() -> None:
    stamps = Stamps()
    assert stamps.at(1_803_975_304_120_934_567) == STAMP
    assert stamps.at(1_803_975_304_000_000_001) == b"2027-03-02T08:15:04.000000001Z "
    assert stamps.at(1_803_975_305_000_000_000) == b"2027-03-02T08:15:05.000000000Z "
    assert len(OUT) == HEAD_BYTES


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        (b"one\n", OUT + b"one\n"),
        (b"one\ntwo\n", OUT + b"one\n" + OUT + b"two\n"),
        (b"\n", OUT + b"\n"),
        (b"one", PIECE + b"one\n"),
        (b"one\ntw", OUT + b"one\n" + PIECE + b"tw\n"),
        (b"\n\nx", OUT + b"\n" + OUT + b"\n" + PIECE + b"x\n"),
    ],
)
def test_what_was_written_at_once(written: bytes, kept: bytes) -> None:
    assert Records(b"stdout").take(written, STAMP) == kept


def test_a_piece_is_ended_by_the_rest_of_its_line() -> None:
    records = Records(b"stdout")
    assert records.take(b"par", STAMP) == PIECE + b"par\n"
    assert records.is_open
    assert records.take(b"ti", STAMP) == PIECE + b"ti\n"
    assert records.take(b"al\nnext\n", STAMP) == OUT + b"al\n" + OUT + b"next\n"
    assert not records.is_open


def test_a_piece_that_gets_no_end_is_given_one() -> None:
    records = Records(b"stdout")
    assert records.end(STAMP) == b""
    records.take(b"par", STAMP)
    assert records.end(STAMP) == OUT + b"\n"
    assert records.end(STAMP) == b""


def test_the_streams_with_a_line_that_has_no_end() -> None:
    stderr = STAMP + b"stderr P what\n"
    assert unfinished(b"") == frozenset()
    assert unfinished(OUT + b"one\n" + stderr) == {b"stderr"}
    assert unfinished(PIECE + b"one\n" + stderr) == {b"stdout", b"stderr"}
    assert unfinished(PIECE + b"one\n" + OUT + b"two\n") == frozenset()
    assert unfinished(b"of old\nstdout P \n") == frozenset()


@pytest.mark.parametrize("stream", [b"stdout", b"stderr"])
def test_a_torn_record_is_made_whole(stream: bytes) -> None:
    whole = STAMP + stream + b" F said"
    for end in range(1, len(whole)):
        mended = whole[:end] + mend(whole[:end], STAMP)
        assert mended[:HEAD_BYTES] in {STAMP + stream + b" F ", STAMP + b"stdout F "}
        assert mended.endswith(b"\n")
        if end > HEAD_BYTES:
            assert mended == whole[:end] + b"\n"


@pytest.mark.parametrize("said", [b"Password: ", b"2027/03/02 08:15:04 one", OUT.lower(), b"\xff"])
def test_a_torn_line_that_is_no_record_is_left_as_it_is(said: bytes) -> None:
    assert mend(said, STAMP) == b"\n"
