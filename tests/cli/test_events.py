"""`ring deployment events`, once and following."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.cli.stub import Answer, problem

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.cli.conftest import Ring
    from tests.cli.stub import Request, Stub

PLACE = "GET /deployments/x/events"


def event(number: int, **changes: Any) -> dict[str, Any]:
    return {
        "id": number,
        "deployment_id": "x",
        "timestamp": f"2026-02-11T08:14:{number % 60:02}.000000Z",
        "level": "info",
        "message": f"message {number}",
        "component": "scheduler",
        "reason": None,
        **changes,
    }


def newest_first(*numbers: int) -> list[dict[str, Any]]:
    return [event(number) for number in sorted(numbers, reverse=True)]


class Story:
    """What the server has at each poll; after the last one the reader presses Ctrl-C."""

    def __init__(self, *answers: Answer) -> None:
        self._answers = list(answers)
        self._turn = 0

    def answer(self, request: Request) -> Answer:
        answer = self._answers[self._turn]
        if isinstance(answer.body, list):
            limit = int(dict(request.query)["limit"])
            return Answer(answer.status, answer.body[:limit])
        return answer

    def pause(self, seconds: float) -> None:
        assert seconds <= 2
        self._turn += 1
        if self._turn == len(self._answers):
            raise KeyboardInterrupt


@pytest.fixture
def tell(ring: Ring, stub: Stub) -> Callable[..., None]:
    def begin(*answers: Answer) -> None:
        story = Story(*answers)
        stub.on(PLACE, story.answer)
        ring.pause = story.pause

    return begin


def messages(out: str) -> list[str]:
    return [line.split("|")[5].strip() for line in out.splitlines() if "message" in line]


def test_table_newest_first(ring: Ring, stub: Stub) -> None:
    entries = [event(2, level="error", reason="boom", message="a\nb"), event(1)]
    stub.on(PLACE, Answer(200, entries))
    ended = ring("deployment", "events", "x", "-l", "error", "--limit", "7")
    assert (ended.code, ended.err) == (0, "")
    assert stub.requests[0].query == [("limit", "7"), ("level", "error")]
    lines = ended.out.splitlines()
    assert [cell.strip() for cell in lines[1].strip("|").split("|")] == [
        "Time",
        "Level",
        "Component",
        "Reason",
        "Message",
    ]
    assert "| 2026-02-11 08:14:02 | error | scheduler | boom   | a b       |" in lines
    assert "| 2026-02-11 08:14:01 | info  | scheduler | -      | message 1 |" in lines


def test_fifty_by_default(ring: Ring, stub: Stub) -> None:
    stub.on(PLACE, Answer(200, []))
    ended = ring("deployment", "events", "x")
    assert ended.out == "No events found for deployment x\n"
    assert stub.requests[0].query == [("limit", "50")]


def test_json(ring: Ring, stub: Stub) -> None:
    stub.on(PLACE, Answer(200, [event(1)]))
    assert json.loads(ring("deployment", "events", "x", "-o", "json").out) == [event(1)]


@pytest.mark.parametrize("words", [(), ("--follow",)])
@pytest.mark.parametrize(
    ("status", "code", "says"),
    [
        (404, 4, "error: Deployment 'x' not found"),
        (401, 2, "ring login"),
        (403, 2, "ring login"),
        (500, 1, "error: deployment 'x': request failed (500)"),
    ],
)
def test_refusals(
    ring: Ring, stub: Stub, *, words: tuple[str, ...], status: int, code: int, says: str
) -> None:
    stub.on(PLACE, problem(status, "no"))
    ended = ring("deployment", "events", "x", *words)
    assert (ended.code, ended.out) == (code, "")
    assert says in ended.err


def test_following_shows_each_once_oldest_first(ring: Ring, tell: Callable[..., None]) -> None:
    tell(
        Answer(200, newest_first(1, 2, 3)),
        Answer(200, newest_first(1, 2, 3)),
        Answer(200, newest_first(1, 2, 3, 4, 5)),
    )
    ended = ring("deployment", "events", "x", "--follow", "--limit", "2")
    assert (ended.code, ended.err) == (130, "")
    first = ended.out.splitlines()[0]
    assert first == "Following events for deployment x (Press Ctrl+C to stop)..."
    assert messages(ended.out) == ["message 2", "message 3", "message 4", "message 5"]
    assert "\x1b" not in ended.out


def test_following_begins_before_there_is_anything(ring: Ring, tell: Callable[..., None]) -> None:
    tell(Answer(200, []), Answer(200, newest_first(1)))
    assert messages(ring("deployment", "events", "x", "-f").out) == ["message 1"]


def test_following_loses_nothing_in_a_burst(ring: Ring, tell: Callable[..., None]) -> None:
    tell(Answer(200, newest_first(1)), Answer(200, newest_first(*range(1, 300))))
    shown = messages(ring("deployment", "events", "x", "-f").out)
    assert shown == [f"message {number}" for number in range(1, 300)]


def test_following_survives_an_outage(ring: Ring, tell: Callable[..., None]) -> None:
    away = problem(500, "Internal Server Error")
    tell(Answer(200, newest_first(1)), away, away, Answer(200, newest_first(1, 2)))
    ended = ring("deployment", "events", "x", "-f")
    assert ended.code == 130
    assert ended.err == "error: deployment 'x': request failed (500)\n"
    assert messages(ended.out) == ["message 1", "message 2"]


def test_following_ends_with_the_deployment(ring: Ring, tell: Callable[..., None]) -> None:
    tell(Answer(200, newest_first(1)), problem(404, "Not Found"))
    ended = ring("deployment", "events", "x", "-f")
    assert (ended.code, ended.err) == (0, "Deployment x is gone\n")


def stream(*numbers: int, end: bool = False) -> Answer:
    """A stream that says what it has and ends."""
    pieces = [b": alive\n\n"]
    for number in numbers:
        text = json.dumps(event(number)).encode()
        pieces += [b"data: " + text[:20], text[20:] + b"\r\n\n"]
    if end:
        pieces.append(b"event: end\ndata: {}\n\n")
    return Answer(200, tuple(pieces), {"Content-Type": "text/event-stream"})


class Broadcast(Story):
    """Answers polls as a story does, and streams from a list of its own."""

    def __init__(self, pages: list[Answer], streams: list[Answer]) -> None:
        super().__init__(*pages)
        self._streams = streams

    def answer(self, request: Request) -> Answer:
        if ("follow", "true") in request.query:
            return self._streams.pop(0)
        return super().answer(request)


def broadcast(ring: Ring, stub: Stub, pages: list[Answer], streams: list[Answer]) -> None:
    story = Broadcast(pages, streams)
    stub.on(PLACE, story.answer)
    ring.pause = story.pause


def test_a_stream_is_shown_as_it_comes(ring: Ring, stub: Stub) -> None:
    broadcast(ring, stub, [Answer(200, newest_first(1))], [stream(1, 2, 3, end=True)])
    ended = ring("deployment", "events", "x", "-f", "-l", "info")
    assert (ended.code, ended.err) == (0, "Deployment x is gone\n")
    assert messages(ended.out) == ["message 1", "message 2", "message 3"]
    assert stub.requests[1].query == [("follow", "true"), ("limit", "100"), ("level", "info")]


def test_a_stream_that_ends_is_taken_up_again(ring: Ring, stub: Stub) -> None:
    pages = [Answer(200, newest_first(1)), Answer(200, newest_first(1, 2, 3))]
    broadcast(ring, stub, pages, [stream(1, 2), stream(1, 2, 3, 4)])
    ended = ring("deployment", "events", "x", "-f", "-o", "json")
    assert (ended.code, ended.err) == (130, "")
    shown = [json.loads(line)["id"] for line in ended.out.splitlines()]
    assert shown == [1, 2, 3, 4]


def test_a_stream_that_fails_is_said_once(ring: Ring, stub: Stub) -> None:
    away = problem(503, "Service Unavailable")
    broken = Answer(200, (b"data: {\n\n",), {"Content-Type": "text/event-stream"})
    pages = [Answer(200, newest_first(1)), away, away, Answer(200, newest_first(1, 2))]
    broadcast(ring, stub, pages, [away, away, away, broken])
    ended = ring("deployment", "events", "x", "-f")
    assert ended.code == 130
    assert ended.err.count("request failed (503)") == 1
    assert ended.err.count("not JSON") == 1
    assert messages(ended.out) == ["message 1", "message 2"]


def test_a_stream_of_what_is_gone(ring: Ring, stub: Stub) -> None:
    broadcast(ring, stub, [Answer(200, [])], [problem(404, "Not Found")])
    ended = ring("deployment", "events", "x", "-f", "-o", "json")
    assert (ended.code, ended.out, ended.err) == (0, "", "")


def test_following_as_json_lines(ring: Ring, tell: Callable[..., None]) -> None:
    tell(Answer(200, newest_first(1)), Answer(200, newest_first(1, 2)))
    ended = ring("deployment", "events", "x", "-f", "-o", "json")
    assert [json.loads(line) for line in ended.out.splitlines()] == [event(1), event(2)]
    assert ended.err == ""
