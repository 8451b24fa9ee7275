"""Answers that no Ring server gives: every command stays calm, and the terminal untouched."""

from __future__ import annotations

import socket
import threading
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest

from tests.cli.catalogue import DELETES, EVERY, MAKES, READS, Command, name_of
from tests.cli.stub import Answer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.cli.conftest import Ring
    from tests.cli.stub import Stub

NASTY = "a\x1b[31mb\x1b]0;c\x07\x9b2J\x00\x08\x7f\u202ed\r\n\te"
FORBIDDEN = frozenset("\x1b\x07\x9b\x00\x08\x7f\u202e\r")
WRONG: tuple[Any, ...] = (
    *(None, True, -1, 1.5, 10**400, float("nan"), float("inf"), ""),
    *("0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59", "2026-02-11T08:14:09"),
    *(NASTY, [], {}, [None], [[1]], [NASTY], {"a": {"b": 1}}, {NASTY: NASTY}, [{}]),
)


TELLING = (None, 10**400, float("nan"), NASTY, WRONG[8], [[1]], {"a": {"b": 1}})
"""Those of them that have ever been taken for something."""
CALM = [command for command in EVERY if command.words[1] != "logs"]
"""What a container writes stays as it is where no terminal reads it."""


def nasty(value: Any) -> Any:
    """The same shape with every text, and every key that is free, turned against the reader."""
    if isinstance(value, dict):
        return {key: nasty(member) for key, member in value.items()} | {NASTY: NASTY}
    if isinstance(value, list):
        return [nasty(member) for member in value]
    return NASTY if isinstance(value, str) or value is None else value


def replaced(value: Any, wrongs: tuple[Any, ...] = WRONG) -> Iterator[Any]:
    """The value with each part of it, one at a time, put in place by each wrong thing."""
    yield from wrongs
    if isinstance(value, dict):
        for key, member in value.items():
            yield {other: at for other, at in value.items() if other != key}
            for wrong in replaced(member, TELLING):
                yield {**value, key: wrong}
    elif isinstance(value, list):
        for wrong in replaced(value[0], wrongs) if value else ():
            yield [wrong]


def stop(_: float) -> None:
    raise KeyboardInterrupt


def assert_calm(ring: Ring, command: Command) -> None:
    ended = ring(*command.words)
    shown = ended.out + ended.err
    assert not FORBIDDEN & set(shown)
    assert "internal error" not in shown
    assert "Traceback" not in shown
    assert ended.code in {0, 1, 4, 130}
    assert ended.code in {0, 130} or ended.err


@pytest.mark.parametrize("command", [c for c in CALM if c not in DELETES], ids=name_of)
def test_members_of_any_type_in_any_place(ring: Ring, stub: Stub, command: Command) -> None:
    ring.pause = stop
    for body in replaced(command.body):
        stub.on(command.route, Answer(200, body))
        assert_calm(ring, command)


@pytest.mark.parametrize("command", CALM, ids=name_of)
@pytest.mark.parametrize("status", [200, 201, 409, 422, 500])
def test_controls_in_every_field_reach_no_terminal(
    ring: Ring, stub: Stub, command: Command, status: int
) -> None:
    ring.pause = stop
    problem = {"title": NASTY, "detail": NASTY, "hint": NASTY, "deployments": [NASTY]}
    violations = [{"property_path": NASTY, "message": NASTY}]
    body = nasty(command.body) if status < 300 else {**problem, "violations": violations}
    kind = "application/json" if status < 300 else "application/problem+json"
    headers = {"Content-Type": kind, "X-Ring-Warnings": "a%1B%5B31m%07%0D; b\x9b"}
    stub.on(command.route, Answer(status, body, headers))
    ended = ring(*command.words)
    assert not FORBIDDEN & set(ended.out + ended.err)
    assert "internal error" not in ended.err


@pytest.mark.parametrize("command", EVERY, ids=name_of)
def test_controls_in_arguments_reach_no_terminal(ring: Ring, stub: Stub, command: Command) -> None:
    del stub
    words = [NASTY.replace("\x00", "") if word in {"x", "shop"} else word for word in command.words]
    ended = ring(*words)
    assert not FORBIDDEN & set(ended.out + ended.err)


@pytest.mark.parametrize("command", [*READS, *MAKES], ids=name_of)
@pytest.mark.parametrize(
    "body", [b"<html>\x1b[31mhello</html>", b"", b"{", b"\xff\xfe", b'"\x1b"', b"[" * 10_000]
)
def test_a_page_of_something_else_is_one_line(
    ring: Ring, stub: Stub, command: Command, body: bytes
) -> None:
    stub.on(command.route, Answer(200, body, {"Content-Type": "text/html"}))
    for flags in ((), ("-o", "json")) if command in READS else ((),):
        ended = ring(*command.words, *flags)
        assert (ended.code, ended.out) == (1, "")
        assert (
            ended.err
            == f"error: the server at {stub.url} answered with something that is not JSON\n"
        )


@pytest.mark.parametrize("command", READS, ids=name_of)
def test_json_of_hostile_values_moves_no_terminal(ring: Ring, stub: Stub, command: Command) -> None:
    stub.on(command.route, Answer(200, nasty(command.body)))
    ended = ring(*command.words, "-o", "json")
    assert ended.code == 0
    assert not FORBIDDEN & set(ended.out + ended.err)
    assert ended.out.count("\n") == 1


@pytest.mark.parametrize(
    "command", [c for c in READS if isinstance(c.body, list) and c in CALM], ids=name_of
)
def test_a_huge_table_keeps_one_line_for_each(ring: Ring, stub: Stub, command: Command) -> None:
    rows = [nasty(command.body[0]) for _ in range(3000)]
    stub.on(command.route, Answer(200, rows))
    ended = ring(*command.words)
    assert ended.code == 0
    assert len(ended.out.splitlines()) in {3000, 2 * 3000 + 3}


@pytest.mark.parametrize("command", DELETES, ids=name_of)
def test_a_page_of_something_else_is_no_success(ring: Ring, stub: Stub, command: Command) -> None:
    stub.on(command.route, Answer(200, b"<html>"))
    ended = ring(*command.words)
    assert (ended.code, ended.out) == (1, "")
    assert ended.err.endswith("answered with something that is not JSON\n")


def test_a_log_line_is_safe_but_for_what_was_written(ring: Ring, stub: Stub) -> None:
    for wrong in WRONG:
        entry = {"instance": wrong, "timestamp": wrong, "level": wrong, "message": "hello"}
        stub.on("GET /deployments/x/logs", Answer(200, [entry]))
        ended = ring("deployment", "logs", "x")
        assert (ended.code, ended.err) == (0, "")
        assert ended.out.endswith(" hello\n")
        assert not FORBIDDEN & set(ended.out)


def test_a_reason_phrase_is_spelled_out(ring: Ring) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        port = server.getsockname()[1]
        ring.config.write_text(
            f'[contexts.default]\nhost = "127.0.0.1"\napi.scheme = "http"\napi.port = {port}\n'
        )
        answering = threading.Thread(target=_answer, args=(server,))
        answering.start()
        ended = ring("namespace", "create", "n")
        answering.join()
    assert (ended.code, ended.out) == (1, "")
    assert ended.err == "Failed to create namespace 'n': 500 No\\x1b[31m\\x9b\n\\x1b[2Jhello\n"


def _answer(server: socket.socket) -> None:
    accepted, _ = server.accept()
    with accepted:
        accepted.recv(65536)
        accepted.sendall(b"HTTP/1.1 500 No\x1b[31m\x9b\r\nContent-Length: 9\r\n\r\n\x1b[2Jhello")


@pytest.mark.parametrize("status", [300, 302, 304, 418])
def test_a_status_that_ring_never_gives(ring: Ring, stub: Stub, status: int) -> None:
    away = Answer(status, b"", {"Location": "http://example.org/"})
    for command in READS:
        stub.on(command.route, away)
        ended = ring(*command.words)
        assert (ended.code, ended.out) == (1, "")
        assert ended.err.endswith(f": request failed ({status})\n")
