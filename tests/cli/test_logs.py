"""`ring deployment logs`, once and following."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from tests.cli.stub import Answer, problem

if TYPE_CHECKING:
    from tests.cli.conftest import Ring
    from tests.cli.stub import Request, Stub

PLACE = "GET /deployments/x/logs"
ROW = "GET /deployments/x"
SSE = {"Content-Type": "text/event-stream", "Date": "Wed, 11 Feb 2026 08:14:00 GMT"}


def entry(number: int, message: str = "", **changes: Any) -> dict[str, Any]:
    return {
        "instance": "shop_web_0a1b2c3d",
        "message": message or f"message {number}",
        "level": "unknown",
        "timestamp": f"2026-02-11T08:14:{number:02}.000000Z",
        "stream": "stdout",
        **changes,
    }


def row(status: str = "running", **members: object) -> Answer:
    return Answer(200, {"id": "x", "status": status, "instances": [{"id": "c"}], **members})


def shown(out: str) -> list[str]:
    return [line.partition("shop_web_0a1b2c3d ")[2] for line in out.splitlines()]


def test_lines(ring: Ring, stub: Stub) -> None:
    entries = [entry(1, "é [error] a"), entry(2, timestamp=None, instance="vm-1")]
    stub.on(PLACE, Answer(200, entries))
    ended = ring("deployment", "logs", "x")
    assert (ended.code, ended.err) == (0, "")
    assert ended.out == (
        "[2026-02-11T08:14:01.000000Z] shop_web_0a1b2c3d é [error] a\nvm-1 message 2\n"
    )
    assert stub.seen() == [PLACE]
    assert stub.requests[0].query == []


def test_what_is_asked_for(ring: Ring, stub: Stub) -> None:
    stub.on(PLACE, Answer(200, [entry(1)]))
    assert ring(
        *("deployment", "logs", "x", "--tail", "5", "--since", "10m", "-c", "web")
    ).code == 0  # fmt: skip
    assert stub.requests[0].query == [("tail", "5"), ("since", "10m"), ("container", "web")]
    assert ring("deployment", "logs", "x", "--since", "2026-02-11T10:14:00+02:00").code == 0
    assert stub.requests[1].query == [("since", "2026-02-11T10:14:00+02:00")]


@pytest.mark.parametrize("since", ["5x", "", "2026-02-11"])
def test_a_since_that_means_nothing(ring: Ring, stub: Stub, since: str) -> None:
    for target in ("x", "shop/web"):
        ended = ring("deployment", "logs", target, "--since", since)
        assert (ended.code, ended.out) == (1, "")
        assert ended.err == (
            f"error: invalid --since '{since}': use 30s, 10m, 2h or an RFC 3339 timestamp\n"
        )
    assert stub.requests == []


@pytest.mark.parametrize("tail", ["x", "-1"])
def test_a_tail_that_is_no_count(ring: Ring, stub: Stub, tail: str) -> None:
    assert ring("deployment", "logs", "x", "--tail", tail).code == 2
    assert stub.requests == []


def test_json(ring: Ring, stub: Stub) -> None:
    stub.on(PLACE, Answer(200, [entry(1, "a\x1b[31mb")]))
    ended = ring("deployment", "logs", "x", "-o", "json")
    assert json.loads(ended.out) == [entry(1, "a\x1b[31mb")]
    assert "\x1b" not in ended.out


@pytest.mark.parametrize(
    ("words", "out"),
    [((), "No logs available for this deployment\n"), (("-o", "json"), "[]\n")],
)
def test_no_lines(ring: Ring, stub: Stub, words: tuple[str, ...], out: str) -> None:
    stub.on(PLACE, Answer(200, []))
    stub.on(ROW, row())
    ended = ring("deployment", "logs", "x", *words)
    assert (ended.code, ended.out, ended.err) == (0, out, "")


@pytest.mark.parametrize("words", [(), ("-o", "json"), ("-f",)])
def test_no_deployment(ring: Ring, stub: Stub, words: tuple[str, ...]) -> None:
    stub.on(PLACE, Answer(200, []))
    ended = ring("deployment", "logs", "x", *words)
    assert (ended.code, ended.out) == (4, "")
    assert ended.err == "error: deployment 'x' not found\n"


@pytest.mark.parametrize("words", [(), ("-f",)])
@pytest.mark.parametrize(
    ("status", "code", "says"),
    [
        (401, 2, "error: not authorized to act on deployment 'x' — run `ring login`"),
        (403, 2, "error: not authorized to act on deployment 'x'"),
        (404, 4, "error: deployment 'x' not found"),
        (500, 1, "error: deployment 'x': request failed (500)"),
    ],
)
def test_refusals(
    ring: Ring, stub: Stub, *, words: tuple[str, ...], status: int, code: int, says: str
) -> None:
    stub.on(PLACE, problem(status, "no"))
    ended = ring("deployment", "logs", "x", *words)
    assert (ended.code, ended.out) == (code, "")
    assert says in ended.err


def test_following_needs_a_server_to_begin_with(ring: Ring, stub: Stub) -> None:
    ring.config.write_text(ring.config.read_text().replace(str(stub.port), "1"))
    ended = ring("deployment", "logs", "x", "-f")
    assert (ended.code, ended.out) == (3, "")


def test_control_characters(ring: Ring, stub: Stub, monkeypatch: pytest.MonkeyPatch) -> None:
    stub.on(PLACE, Answer(200, [entry(1, "a\tb\x1b[2Jc\rd")]))
    assert shown(ring("deployment", "logs", "x").out.replace("\r", "^")) == ["a\tb\x1b[2Jc^d"]
    monkeypatch.setattr(type(sys.stdout), "isatty", lambda _: True)
    ring.environ["NO_COLOR"] = "1"
    assert shown(ring("deployment", "logs", "x").out) == ["a\tb\\x1b[2Jc\\rd"]


# following
def stream(*entries: dict[str, Any], end: bool = False) -> Answer:
    """A stream that says what it has and ends."""
    pieces = [b":\n\n"]
    for each in entries:
        text = json.dumps(each).encode()
        pieces += [b"data: " + text[:20], text[20:] + b"\n\n"]
    if end:
        pieces.append(b"event: end\ndata: {}\n\n")
    return Answer(200, tuple(pieces), SSE)


class Story:
    """Answers in turn, streams and pages each from a list of its own."""

    def __init__(self, ring: Ring, stub: Stub) -> None:
        self.streams: list[Answer] = []
        self.pages: list[Answer] = []
        self.rows: list[Answer] = []
        self.pauses = 0
        stub.on(PLACE, self._logs)
        stub.on(ROW, lambda _: self.rows.pop(0) if self.rows else row())
        ring.pause = self._pause

    def _logs(self, request: Request) -> Answer:
        return (self.streams if ("follow", "true") in request.query else self.pages).pop(0)

    def _pause(self, seconds: float) -> None:
        """After the last answer the reader presses Ctrl-C."""
        assert seconds <= 2
        self.pauses += 1
        if not self.pages:
            raise KeyboardInterrupt


@pytest.fixture
def story(ring: Ring, stub: Stub) -> Story:
    return Story(ring, stub)


def test_a_stream_is_shown_as_it_comes(ring: Ring, stub: Stub, story: Story) -> None:
    story.streams = [stream(entry(1), entry(2), end=True)]
    ended = ring("deployment", "logs", "x", "-f", "--tail", "5", "-c", "web")
    assert (ended.code, ended.err) == (0, "Deployment x is gone\n")
    assert shown(ended.out) == ["message 1", "message 2"]
    assert stub.requests[0].query == [("follow", "true"), ("tail", "5"), ("container", "web")]
    assert stub.seen() == [PLACE]


def test_following_as_json_lines(ring: Ring, story: Story) -> None:
    story.streams = [stream(entry(1), entry(2), end=True)]
    ended = ring("deployment", "logs", "x", "-f", "-o", "json")
    assert [json.loads(line) for line in ended.out.splitlines()] == [entry(1), entry(2)]
    assert ended.err == ""


def test_a_finished_deployment_ends_it(ring: Ring, story: Story) -> None:
    story.streams = [stream(entry(1))]
    story.rows = [row("completed", instances=[])]
    ended = ring("deployment", "logs", "x", "-f")
    assert (ended.code, ended.err, shown(ended.out)) == (0, "", ["message 1"])


def test_taken_up_again_nothing_is_repeated_or_lost(ring: Ring, stub: Stub, story: Story) -> None:
    other = {"instance": "shop_web_ffffffff"}
    story.streams = [
        stream(entry(1), entry(5), entry(5), entry(9, **other)),
        stream(entry(5), entry(5), entry(5), entry(6), entry(9, **other), entry(10, **other)),
        stream(entry(6), entry(6), entry(10, **other), entry(7), end=True),
    ]
    story.pages = [
        Answer(200, [entry(4, "old"), entry(5), entry(5), entry(5), entry(9, **other)]),
        Answer(200, [entry(6), entry(6), entry(10, **other)]),
    ]
    ended = ring("deployment", "logs", "x", "-f", "-c", "web", "-o", "json")
    assert (ended.code, ended.err) == (0, "")
    assert [json.loads(line) for line in ended.out.splitlines()] == [
        *(entry(1), entry(5), entry(5), entry(9, **other)),
        entry(5),
        *(entry(6), entry(10, **other)),
        entry(6),
        entry(7),
    ]
    resumed = [("tail", "999999999"), ("since", "2026-02-11T08:14:03.000000Z")]
    asked = [one.query for one in stub.requests if one.path.endswith("/logs")]
    assert asked[1] == [("container", "web"), *resumed]
    assert asked[2] == [("follow", "true"), ("container", "web"), *resumed]


def test_taken_up_again_before_there_was_a_line(ring: Ring, stub: Stub, story: Story) -> None:
    story.streams = [stream(), stream(end=True)]
    story.pages = [Answer(200, [entry(1)])]
    ended = ring("deployment", "logs", "x", "-f")
    assert shown(ended.out) == ["message 1"]
    page = next(one for one in stub.requests[1:] if one.path.endswith("/logs"))
    assert dict(page.query)["since"] == "2026-02-11T08:14:00.000000Z"


def test_a_server_without_a_clock(ring: Ring, stub: Stub, story: Story) -> None:
    undated = replace(stream(), headers={**SSE, "Date": "soon"})
    story.streams = [undated, stream(end=True)]
    story.pages = [Answer(200, [entry(1)])]
    assert shown(ring("deployment", "logs", "x", "-f").out) == ["message 1"]
    page = next(one for one in stub.requests[1:] if one.path.endswith("/logs"))
    assert dict(page.query)["since"].endswith("Z")


def test_an_outage_is_said_once_and_outlasted(ring: Ring, story: Story) -> None:
    away = problem(500, "Internal Server Error")
    broken = Answer(200, (b"data: {\n\n",), SSE)
    story.streams = [stream(entry(1)), away, broken, stream(entry(1), entry(2), end=True)]
    story.pages = [away, away, Answer(200, [entry(1)])]
    ended = ring("deployment", "logs", "x", "-f")
    assert ended.code == 0
    assert ended.err.count("request failed (500)") == 1
    assert ended.err.count("not JSON") == 1
    assert shown(ended.out) == ["message 1", "message 2"]


def test_without_a_stream_the_server_is_asked_again(ring: Ring, story: Story) -> None:
    story.streams = [Answer(200, [entry(1)])]
    story.pages = [
        Answer(200, [entry(1)]),
        Answer(200, [entry(1), entry(2)]),
        Answer(200, [entry(2), entry(3)]),
    ]
    story.rows = [row(), row(), row(), row("completed", instances=[])]
    ended = ring("deployment", "logs", "x", "-f")
    assert (ended.code, ended.err) == (0, "")
    assert shown(ended.out) == ["message 1", "message 2", "message 3"]
    assert story.pauses == 3


def test_a_deployment_that_goes_while_it_is_polled(ring: Ring, story: Story) -> None:
    story.streams = [Answer(200, [entry(1)])]
    story.pages = [Answer(200, [])]
    story.rows = [row(), problem(404, "Not Found")]
    ended = ring("deployment", "logs", "x", "-f")
    assert (ended.code, ended.err) == (0, "Deployment x is gone\n")


def test_ctrl_c(ring: Ring, story: Story) -> None:
    story.streams = [stream(entry(1))]
    ended = ring("deployment", "logs", "x", "-f")
    assert (ended.code, ended.err, shown(ended.out)) == (130, "", ["message 1"])


def test_each_line_is_out_before_the_next_comes(ring: Ring, stub: Stub) -> None:
    """Redirected to a file, as a program of its own."""
    stub.on(PLACE, stream(entry(1), entry(2), end=True))
    ended = ring.process("deployment", "logs", "x", "--follow")
    assert (ended.code, shown(ended.out)) == (0, ["message 1", "message 2"])


def test_where_lines_are_missing(ring: Ring, story: Story) -> None:
    said = stream(entry(1), end=True)
    gap = {"instance": "w", "stream": "stdout", "after": "2026-01-01", "before": "2026-01-02"}
    told = b"event: gap\ndata: " + json.dumps(gap).encode() + b"\n\n"
    assert isinstance(said.body, tuple)
    story.streams = [replace(said, body=(told, *said.body))]
    ended = ring("deployment", "logs", "x", "-f")
    assert shown(ended.out) == ["message 1"]
    assert "Warning: lines may be missing of w between 2026-01-01 and 2026-01-02\n" in ended.err


def test_lines_that_went_while_the_stream_was_broken(ring: Ring, story: Story) -> None:
    story.streams = [stream(entry(1)), stream(entry(7), end=True)]
    story.pages = [Answer(200, [entry(5)])]
    ended = ring("deployment", "logs", "x", "-f")
    assert shown(ended.out) == ["message 1", "message 5", "message 7"]
    spans = [line.partition("between ")[2] for line in ended.err.splitlines() if "missing" in line]
    at = "2026-02-11T08:14:{:02}.000000Z"
    assert spans == [f"{at.format(1)} and {at.format(5)}", f"{at.format(5)} and {at.format(7)}"]
