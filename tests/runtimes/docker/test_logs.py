"""The engine's log answers: frames and raw ones, in pieces of any size, and what ends them."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ring.core.logs import LONGEST_LINE_BYTES
from ring.core.model.ids import InstanceId
from ring.core.model.logs import LogLine, LogQuery
from ring.runtimes.base import FellBehind, Gone, Logs, RuntimeFailure, Unavailable
from ring.runtimes.docker import open_runtime
from ring.runtimes.docker.logs import Decoder
from tests.runtimes.docker.scripted import answer, engine, opening

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

ID = InstanceId("c" * 64)
AT = datetime(2027, 3, 2, 8, 15, 4, 120934, UTC)
LATER = datetime(2027, 3, 2, 8, 15, 5, 0, UTC)
STAMP = b"2027-03-02T08:15:04.120934567Z "
LATER_STAMP = b"2027-03-02T08:15:05.000000000Z "


def frame(stream: int, payload: bytes) -> bytes:
    return bytes([stream, 0, 0, 0]) + len(payload).to_bytes(4, "big") + payload


def out(text: bytes) -> bytes:
    return frame(1, STAMP + text)


def decoded(chunks: Iterable[bytes]) -> list[LogLine]:
    decoder = Decoder()
    lines = [line for chunk in chunks for line in decoder.feed(chunk)]
    return [*lines, *decoder.end()]


def line(message: str, stream: str = "stdout", at: datetime | None = AT) -> LogLine:
    return LogLine("stderr" if stream == "stderr" else "stdout", message, at)


@pytest.mark.parametrize(
    ("said", "lines"),
    [
        (b"", []),
        (out(b"a\n"), [line("a")]),
        (out(b"a"), [line("a")]),
        (frame(2, STAMP + b"a\n"), [line("a", "stderr")]),
        (frame(0, STAMP + b"a\n"), [line("a")]),
        (out(b"a\nb\n"), [line("a"), line("b")]),
        (out(b"\n") + out(b"  \n") + out(b"\r\n"), []),
        (out(b"a\r\n"), [line("a")]),
        (
            out(b"one ") + frame(2, STAMP + b"err\n") + frame(1, LATER_STAMP + b"line\n"),
            [line("err", "stderr"), line("one line")],
        ),
        (out(b"\xc3") + frame(1, LATER_STAMP + b"\xa9\n"), [line("é")]),
        (out(b"\xff\n"), [line("\ufffd")]),
        (out(b""), []),
        (frame(1, b""), []),
        (frame(1, b"short\n"), [line("short", at=None)]),
        (frame(1, b"no time here\n"), [line("no time here", at=None)]),
        (frame(1, b"x" * 50 + b"\n"), [line("x" * 50, at=None)]),
        (out(STAMP + b"own time\n"), [line((STAMP + b"own time").decode())]),
        (
            out(b"x" * LONGEST_LINE_BYTES) + out(b"yz\n") + out(b"next\n"),
            [line("x" * LONGEST_LINE_BYTES), line("next")],
        ),
        (STAMP + b"a\r\n" + LATER_STAMP + b"b\r\n", [line("a"), line("b", at=LATER)]),
        (STAMP + b"a", [line("a")]),
        (b"raw\nlines\n", [line("raw", at=None), line("lines", at=None)]),
        (b'{"cause":1}\n', [line('{"cause":1}', at=None)]),
        (b'{"cause": "x', [line('{"cause": "x', at=None)]),
        (b"{\n", [line("{", at=None)]),
        (STAMP + b'{"cause":"","response":500}\r\n', [line('{"cause":"","response":500}')]),
        (b'{"cause":' + b"x" * 5000, [line('{"cause":' + "x" * 5000, at=None)]),
    ],
)
def test_lines(said: bytes, lines: list[LogLine]) -> None:
    assert decoded([said]) == lines
    if len(said) < 1000:
        assert decoded(said[i : i + 1] for i in range(len(said))) == lines


_FRAMES = st.lists(
    st.tuples(st.sampled_from([1, 2]), st.binary(max_size=20)).map(
        lambda made: frame(made[0], STAMP + made[1])
    ),
    max_size=8,
)


@given(_FRAMES, st.lists(st.integers(1, 30)))
def test_the_pieces_do_not_matter(frames: list[bytes], sizes: list[int]) -> None:
    said = b"".join(frames)
    chunks, position = [], 0
    for size in sizes:
        chunks.append(said[position : position + size])
        position += size
    lines = decoded([*chunks, said[position:]])
    assert lines == decoded([said])
    assert all(one.message.strip() and one.at == AT for one in lines)


@given(st.binary(max_size=200))
def test_anything_is_lines_or_no_answer(said: bytes) -> None:
    try:
        lines = decoded([said])
    except Unavailable:
        return
    assert all(one.message.strip() for one in lines)


def test_a_frame_without_an_end_costs_no_memory() -> None:
    decoder = Decoder()
    assert not list(decoder.feed(bytes([1, 0, 0, 0]) + b"\xff\xff\xff\xff" + STAMP))
    for _ in range(100):
        assert not list(decoder.feed(b"x" * 65536))
    assert [len(one.message) for one in decoder.end()] == [LONGEST_LINE_BYTES]


def test_the_engines_own_trouble() -> None:
    with pytest.raises(Unavailable, match="cannot go on with the log: Error grabbing logs"):
        decoded([out(b"a\n"), frame(3, b"Error grabbing logs: EOF\n")])


@pytest.mark.parametrize(
    ("cause", "status", "error"),
    [
        ("no such container", 500, Gone),
        ("no such thing", 404, Gone),
        ("cannot open", 500, Unavailable),
    ],
)
def test_a_refusal_after_the_status_is_no_line(
    cause: str, status: int, error: type[Exception]
) -> None:
    message = f"failed to obtain logs for Container 'a': {cause}"
    said = json.dumps(
        {"cause": cause, "message": message, "response": status}, separators=(",", ":")
    ).encode()
    for pieces in ([said], [said[:3], said[3:]], [said[i : i + 1] for i in range(len(said))]):
        with pytest.raises(error, match=message):
            decoded(pieces)


def test_an_unknown_stream() -> None:
    with pytest.raises(Unavailable, match="unknown stream 7"):
        decoded([out(b"a\n"), frame(7, b"x")])


async def _read(folder: Path, said: bytes, query: LogQuery) -> tuple[list[LogLine], str]:
    async with engine(folder) as script:
        script.say("GET /v1.41/containers/", said)
        runtime = open_runtime({"host": script.host})
        assert isinstance(runtime, Logs)
        try:
            batches = [batch async for batch in runtime.logs(ID, query)]
            return [one for batch in batches for one in batch], script.asked[-1]
        finally:
            await runtime.close()


@pytest.mark.anyio
async def test_what_is_asked_for(tmp_path: Path) -> None:
    said = opening(out(b"a")[:-1], b"")
    lines, asked = await _read(tmp_path, said, LogQuery(tail=5, since=AT, follow=True))
    assert lines == []
    assert f"/v1.41/containers/{ID}/logs?" in asked
    words = asked.partition("?")[2].split("&")
    assert {"tail=5", "since=1803975304.120934000", "follow=1", "timestamps=1"} <= set(words)
    assert {"stdout=1", "stderr=1"} <= set(words)


@pytest.mark.anyio
async def test_everything_is_asked_for(tmp_path: Path) -> None:
    said = opening(out(b"a\n"))
    lines, asked = await _read(tmp_path, said, LogQuery())
    assert lines == [line("a")]
    assert "tail=all" in asked
    assert "follow=0" in asked
    assert "since" not in asked


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("status", "error"),
    [(404, Gone), (409, Gone), (503, Unavailable), (500, RuntimeFailure)],
)
async def test_refusals(tmp_path: Path, status: int, error: type[Exception]) -> None:
    with pytest.raises(error, match="not today"):
        await _read(tmp_path, answer({"message": "not today"}, status), LogQuery())


@pytest.mark.anyio
async def test_an_answer_that_is_cut(tmp_path: Path) -> None:
    cut = b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n" + out(b"a\n")
    with pytest.raises(Unavailable):
        await _read(tmp_path, cut, LogQuery())


YOUNG = frame(1, b"2027-03-02T08:15:14.120934567Z " + b"x" * 100 + b"\n")
OLD = out(b"old\n")


@pytest.mark.anyio
@pytest.mark.parametrize("follow", [True, False])
@pytest.mark.parametrize(
    ("kept", "rotates"),
    [
        ({"Type": "json-file", "Config": {"max-size": "1m"}}, True),
        ({"Type": "local"}, True),
        ({"Type": "json-file", "Config": None}, False),
        (None, False),
    ],
)
async def test_a_follower_that_falls_behind_a_log_that_rotates(
    tmp_path: Path, kept: object, *, rotates: bool, follow: bool
) -> None:
    async with engine(tmp_path) as script:
        script.say(f"GET /v1.41/containers/{ID}/logs", opening(YOUNG * 300 + OLD))
        found = answer({"HostConfig": {"LogConfig": kept}}) if kept else answer({}, 404)
        script.say(f"GET /v1.41/containers/{ID}/json", found)
        runtime = open_runtime({"host": script.host})
        assert isinstance(runtime, Logs)
        last = ""
        try:
            async for batch in runtime.logs(ID, LogQuery(follow=follow)):
                last = batch[-1].message
        except FellBehind:
            assert rotates
            assert follow
            assert last != "old"
        else:
            assert not (rotates and follow)
            assert last == "old"
        finally:
            await runtime.close()
