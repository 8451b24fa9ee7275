"""`ring apply --wait`: what was applied is waited for, all of it together."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.cli.applying.test_apply import created, deployments
from tests.cli.stub import Answer, problem
from tests.cli.waiting.test_waiting import row, series, why

if TYPE_CHECKING:
    from tests.cli.conftest import Clock, Ended, Ring
    from tests.cli.stub import Request, Stub


def applied(ring: Ring, *words: str) -> Ended:
    path = ring.home / "ring.yaml"
    path.write_text(deployments("a", "b"))
    return ring("apply", "-f", str(path), "--wait", *words)


def test_all_of_it_is_waited_for(ring: Ring, stub: Stub, clock: Clock) -> None:
    stub.on("POST /deployments", created)
    stub.on(
        "GET /deployments/id-of-a/why",
        series(why("progressing", {"id": "id-of-a"}), why("ready", {"id": "id-of-a"})),
    )
    stub.on("GET /deployments/id-of-b/why", why("ready", {"id": "id-of-b"}))
    ended = applied(ring)
    assert (ended.code, ended.err) == (0, "")
    _, _, waited = ended.out.partition("  Successful: 2\n")
    assert waited.count("' ready, 3/3\n") == 2
    assert clock.pauses == 1


def test_what_was_refused_decides_and_the_rest_is_waited_for(
    ring: Ring, stub: Stub, clock: Clock
) -> None:
    def answer(asked: Request) -> Answer:
        body = asked.json
        assert isinstance(body, dict)
        return problem(409, "Conflict") if body["name"] == "a" else Answer(200, row(id="b"))

    stub.on("POST /deployments", answer)
    stub.on("GET /deployments/b/why", why("failed", {"id": "b"}, summary="no"))
    ended = applied(ring, "--timeout", "2m")
    assert ended.code == 5
    assert "failed: no" in ended.err
    assert clock.pauses == 0


def test_with_nothing_taken_there_is_nothing_to_wait_for(ring: Ring, stub: Stub) -> None:
    assert applied(ring).code == 4
    assert {one.method for one in stub.requests} == {"POST"}


def test_a_timeout_that_is_none(ring: Ring, stub: Stub) -> None:
    ended = applied(ring, "--timeout", "1.5s")
    assert ended.code == 2
    assert ended.err.startswith("error: Invalid value for '--timeout': '1.5s' is not a duration")
    assert stub.requests == []
