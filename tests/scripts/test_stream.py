"""A stream of requests counts what was answered, and says of the rest why not."""

from __future__ import annotations

import socketserver
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest
from scripts.docs import ROOT
from scripts.lib import edge, stream

if TYPE_CHECKING:
    from collections.abc import Iterator

OK = b"HTTP/1.0 200 OK\r\n\r\n1 abc\n"


@contextmanager
def answering(*answers: bytes) -> Iterator[int]:
    """The port of a server that gives these answers in turn, over and over."""
    turn = iter(answers * 100)

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            while self.rfile.readline().strip():
                """The head of the request."""
            self.wfile.write(next(turn))

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()
            thread.join()


def test_every_answer_is_counted_by_its_first_word() -> None:
    with answering(OK, OK.replace(b"1 abc", b"2 def")) as port:
        told = stream.Stream(port, ["/web/"], 500, count=40).result()
    assert (told["sent"], told["failed"], told["failures"]) == (40, 0, [])
    assert sum(told["answers"].values()) == 40
    assert told["answers"].keys() == {"1", "2"}


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (b"HTTP/1.1 502 Bad Gateway\r\n\r\nno", "HTTP/1.1 502 Bad Gateway"),
        (b"HTTP/1.0 200 OK\r\n\r\n", "HTTP/1.0 200 OK"),
        (b"", "an empty answer"),
    ],
)
def test_an_answer_that_is_none_is_a_failure(answer: bytes, why: str) -> None:
    with answering(OK, answer) as port:
        told = stream.Stream(port, ["/web/"], 500, count=10).result()
    assert (told["sent"], told["failed"]) == (10, 5)
    assert why in told["failures"][0]
    assert told["failures"][0].split(" ", 1)[1].startswith("/web/: ")


def test_a_refusal_is_a_failure() -> None:
    with answering(OK) as port:
        pass
    told = stream.Stream(port, ["/web/"], 500, count=10).result()
    assert (told["sent"], told["failed"]) == (10, 10)


def test_one_that_is_ended_tells_what_it_has_counted() -> None:
    with answering(OK) as port:
        running = stream.Stream(port, ["/web/"], 500)
        try:
            running.await_first()
            told = running.end()
        finally:
            running.kill()
    assert told["sent"] >= 1
    assert told["failed"] == 0


def test_the_page_shows_the_directives_that_are_tried() -> None:
    page = (ROOT / "docs/how-to/rolling-updates.md").read_text()
    for directive in edge.NEXT_REPLICA.splitlines():
        assert directive in page, directive
