"""`ring deployment wait`: what is followed, and how it ends."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from tests.cli.catalogue import EVENT, WHY
from tests.cli.conftest import environment
from tests.cli.stub import Answer, problem
from tests.cli.test_hostile import FORBIDDEN, nasty, replaced

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.cli.conftest import Clock, Ring
    from tests.cli.stub import Request, Stub


def row(**changes: Any) -> dict[str, Any]:
    return {
        "id": "x",
        "namespace": "shop",
        "name": "web",
        "kind": "worker",
        "revision": 4,
        **changes,
    }


def why(state: str, *rows: dict[str, Any], summary: str = "", **changes: Any) -> Answer:
    one = {"id": "x", "revision": 4, "status": "running", "target": 3, "live": 3, "ready": 3}
    listed = [{**one, **other} for other in rows] or [{**one, **changes}]
    return Answer(200, {**WHY, "state": state, "summary": summary, "rows": listed})


def series(*answers: Answer) -> Callable[[Request], Answer]:
    """One after the other; the last for good."""
    left: Iterator[Answer] = iter(answers)
    return lambda _: next(left, answers[-1])


@pytest.fixture
def server(stub: Stub) -> Stub:
    stub.on("GET /deployments/x", Answer(200, row()))
    stub.on("GET /deployments", Answer(200, [row(status="running")]))
    return stub


@pytest.mark.parametrize("ref", ["x", "shop/web"])
def test_until_it_is_ready(ring: Ring, server: Stub, clock: Clock, ref: str) -> None:
    waits = why("progressing", ready=1, summary="waits for 2 instances")
    server.on("GET /deployments/x/why", series(waits, waits, why("waiting", ready=2), why("ready")))
    ended = ring("deployment", "wait", ref)
    assert (ended.code, ended.err) == (0, "")
    assert ended.out == (
        "shop/web: progressing, 1/3 ready: waits for 2 instances\n"
        "shop/web: waiting, 2/3 ready\n"
        "Deployment 'shop/web' ready, 3/3\n"
    )
    assert clock.pauses == 3
    assert clock.seconds == 1001.5


def test_a_job(ring: Ring, server: Stub, clock: Clock) -> None:
    server.on("GET /deployments/x", Answer(200, row(kind="job")))
    server.on("GET /deployments/x/why", series(why("ready"), why("completed")))
    assert ring("deployment", "wait", "x", "--for", "completed").code == 0
    assert clock.pauses == 1
    assert ring("deployment", "wait", "x").code == 0


def test_a_worker_never_completes(ring: Ring, server: Stub) -> None:
    ended = ring("deployment", "wait", "x", "--for", "completed")
    assert (ended.code, ended.out) == (1, "")
    assert ended.err == "error: deployment 'x' is a worker: only a job completes\n"
    assert server.seen() == ["GET /deployments/x"]


def test_a_failure_shows_its_last_errors(ring: Ring, server: Stub, clock: Clock) -> None:
    entry = {**EVENT, "level": "error", "reason": "image_pull_error"}
    events = [{**entry, "message": "second"}, {**entry, "message": "first"}]
    server.on("GET /deployments/x/events", Answer(200, events))
    server.on("GET /deployments/x/why", why("failed", summary="the image is not there"))
    ended = ring("deployment", "wait", "x")
    assert ended.code == 1
    assert ended.err == (
        "error: Deployment 'shop/web' failed: the image is not there\n"
        "  2026-02-11 08:14:09  error  api  image_pull_error  first\n"
        "  2026-02-11 08:14:09  error  api  image_pull_error  second\n"
    )
    asked = next(one for one in server.requests if one.path.endswith("/events"))
    assert asked.query == [("level", "error"), ("limit", "3")]
    assert clock.pauses == 0


def test_time_is_up(ring: Ring, server: Stub, clock: Clock) -> None:
    server.on("GET /deployments/x/why", why("waiting", ready=1, summary="secret 'a' is missing"))
    ended = ring("deployment", "wait", "x", "--timeout", "1200ms")
    assert ended.code == 124
    assert ended.err == (
        "error: Deployment 'shop/web' not there after 1.2 s: "
        "waiting, 1/3 ready: secret 'a' is missing\n"
    )
    assert clock.seconds == pytest.approx(1001.2)
    assert server.seen().count("GET /deployments/x/why") == 4


def test_a_stopped_one_is_not_waited_for(ring: Ring, server: Stub) -> None:
    server.on("GET /deployments/x/why", why("stopped", target=0, ready=0))
    ended = ring("deployment", "wait", "x")
    assert ended.code == 1
    assert "Deployment 'shop/web' stopped: `ring deployment start`" in ended.err


def test_an_interruption_says_that_it_goes_on(ring: Ring, server: Stub, clock: Clock) -> None:
    def interrupt() -> None:
        raise KeyboardInterrupt

    clock.events[2] = interrupt
    server.on("GET /deployments/x/why", why("progressing", ready=0))
    ended = ring("deployment", "wait", "x")
    assert ended.code == 130
    assert ended.err == "Interrupted: what was asked for goes on without this command\n"


def test_a_rolled_one_is_followed_by_its_new_id(ring: Ring, server: Stub, clock: Clock) -> None:
    parent = {"id": "x", "role": "parent"}
    child = {"id": "y", "revision": 5, "ready": 0, "status": "creating"}
    server.on("GET /deployments/x/why", why("progressing", parent, child))
    server.on(
        "GET /deployments/y/why",
        series(why("progressing", parent, child), why("ready", {**child, "ready": 3})),
    )
    server.on("GET /deployments/y/revisions", problem(404, "Not Found"))
    ended = ring("deployment", "wait", "x")
    assert (ended.code, ended.err) == (0, "")
    assert ended.out.splitlines()[:2] == [
        "shop/web: goes on as y",
        "shop/web: progressing, 0/3 ready",
    ]
    assert clock.pauses == 2


def test_a_row_that_another_apply_replaced(ring: Ring, server: Stub, clock: Clock) -> None:
    newer = row(id="z", revision=6, status="creating", created_at="2026-03-01T00:00:00Z")
    older = row(id="q", revision=2, status="deleted", created_at="2026-04-01T00:00:00Z")
    server.on("GET /deployments", Answer(200, [row(status="deleted"), newer, older]))
    server.on(
        "GET /deployments/z/revisions", Answer(200, [{"deployment_id": "z", "cause": "apply"}])
    )
    server.on("GET /deployments/z/why", why("ready", {"id": "z", "revision": 6}))
    ended = ring("deployment", "wait", "x")
    assert (ended.code, ended.err) == (0, "")
    assert ended.out.startswith("shop/web: goes on as z\n")
    assert clock.pauses == 1


@pytest.mark.parametrize(
    ("found", "revisions"),
    [
        ({"id": "old", "revision": 3}, []),
        ({"id": "back", "revision": 5}, [{"deployment_id": "back", "cause": "auto_rollback"}]),
    ],
)
def test_a_way_back_is_a_failure(
    ring: Ring, server: Stub, clock: Clock, found: dict[str, Any], revisions: list[Any]
) -> None:
    server.on("GET /deployments/x/why", series(why("progressing"), why("ready", found)))
    server.on(f"GET /deployments/{found['id']}/revisions", Answer(200, revisions))
    ended = ring("deployment", "wait", "x")
    assert ended.code == 1
    assert ended.err == (f"error: Deployment 'shop/web' failed: rolled back to {found['id']}\n")
    assert clock.pauses == 1


def test_one_that_is_deleted_meanwhile(ring: Ring, server: Stub, clock: Clock) -> None:
    clock.events[1] = lambda: server.on("GET /deployments", Answer(200, []))
    server.on("GET /deployments/x/why", series(why("progressing"), problem(404, "Not Found")))
    ended = ring("deployment", "wait", "x")
    assert ended.code == 4
    assert ended.err == "error: Deployment 'shop/web' deleted meanwhile\n"


class TestDeleted:
    def test_by_id(self, ring: Ring, server: Stub, clock: Clock) -> None:
        leaving = Answer(200, row(status="deleted", instances=[{"id": "c1"}]))
        server.on("GET /deployments/x", series(leaving, problem(404, "Not Found")))
        ended = ring("deployment", "wait", "x", "--for", "deleted")
        assert (ended.code, ended.err) == (0, "")
        assert ended.out == "x: deleted, 1 left\nDeployment 'x' deleted\n"
        assert clock.pauses == 1

    def test_by_name_it_means_every_row(self, ring: Ring, server: Stub, clock: Clock) -> None:
        rows = [row(status="deleted"), row(id="y", status="deleted"), row(id="z", name="other")]
        server.on("GET /deployments", Answer(200, rows))
        server.on("GET /deployments/x", problem(404, "Not Found"))
        ended = ring("deployment", "wait", "shop/web", "--for", "deleted")
        assert (ended.code, ended.err) == (0, "")
        assert clock.pauses == 0
        assert server.seen()[1:] == ["GET /deployments/x", "GET /deployments/y"]

    def test_one_that_is_gone_already(self, ring: Ring, server: Stub) -> None:
        server.on("GET /deployments", Answer(200, []))
        ended = ring("deployment", "wait", "shop/web", "--for", "deleted")
        assert (ended.code, ended.out, ended.err) == (0, "Deployment 'shop/web' deleted\n", "")


class TestServerAway:
    def test_a_restart_is_outlasted_and_said_once(
        self, ring: Ring, server: Stub, clock: Clock
    ) -> None:
        down = problem(503, "Service Unavailable", "stopping")
        server.on(
            "GET /deployments/x/why",
            series(why("progressing"), down, down, why("ready"), down),
        )
        ended = ring("deployment", "wait", "x")
        assert ended.code == 0
        assert ended.err == (
            "error: deployment 'shop/web': request failed (503): stopping; waiting on\n"
        )
        assert clock.pauses == 3

    def test_nobody_there(self, ring: Ring, server: Stub, clock: Clock) -> None:
        server.on("GET /deployments/x/why", Answer(200, b"{", {"Content-Length": "9"}))
        ended = ring("deployment", "wait", "x", "--timeout", "1s")
        assert ended.code == 124
        first, last = ended.err.splitlines()
        assert first == f"error: request to {server.url} failed; waiting on"
        assert last == "error: Deployment 'shop/web' not there after 1 s"
        assert clock.pauses == 2

    def test_a_first_request_that_fails(self, ring: Ring, server: Stub) -> None:
        ring.config.write_text(
            '[contexts.default]\nhost = "127.0.0.1"\napi.scheme = "http"\napi.port = 1\n'
        )
        ended = ring("deployment", "wait", "x", "y")
        assert ended.code == 3
        assert len(ended.err.splitlines()) == 1
        assert server.requests == []

    def test_a_token_that_is_revoked_ends_it(self, ring: Ring, server: Stub, clock: Clock) -> None:
        server.on("GET /deployments/x/why", series(why("waiting"), problem(401, "Unauthorized")))
        ended = ring("deployment", "wait", "x")
        assert ended.code == 2
        assert ended.err.startswith("error: not authorized to act on deployment 'shop/web'")
        assert clock.pauses == 1


def test_several_are_waited_for_together(ring: Ring, server: Stub, clock: Clock) -> None:
    server.on("GET /deployments/y", Answer(200, row(id="y", name="api")))
    server.on("GET /deployments/x/why", series(why("progressing"), why("ready")))
    server.on("GET /deployments/y/why", why("failed", {"id": "y"}, summary="no"))
    server.on("GET /deployments/y/events", problem(403, "Forbidden"))
    ended = ring("deployment", "wait", "missing", "x", "y")
    assert ended.code == 4
    assert ended.err == (
        "error: deployment 'missing' not found\nerror: Deployment 'shop/api' failed: no\n"
    )
    assert ended.out.endswith("Deployment 'shop/web' ready, 3/3\n")
    assert clock.pauses == 1


def test_answers_of_any_shape(ring: Ring, server: Stub, clock: Clock) -> None:
    for body in [nasty(WHY), *replaced(WHY)]:
        server.on("GET /deployments/x/why", Answer(200, body))
        ended = ring("deployment", "wait", "x", "--timeout", "600ms")
        assert ended.code in {0, 1, 4, 124}
        assert not FORBIDDEN & set(ended.out + ended.err)
        assert "internal error" not in ended.err
    assert clock.pauses


def test_progress_on_a_terminal(ring: Ring, server: Stub) -> None:
    waits = why("progressing", ready=1, summary="waits\x1b[31m")
    server.on("GET /deployments/x/why", series(waits, why("ready")))
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        [sys.executable, "-m", "ring", "deployment", "wait", "x"],
        stdout=theirs,
        stderr=subprocess.PIPE,
        env={**environment(ring), "TERM": "xterm", "COLUMNS": "80"},
    ) as running:
        assert running.stderr is not None
        assert running.stderr.read() == b""
    os.close(theirs)
    shown = b""
    try:
        while piece := os.read(ours, 4096):
            shown += piece
    except OSError:  # nobody writes any more
        pass
    os.close(ours)
    assert running.returncode == 0
    assert b"shop/web: ready, 3/3" in shown
    assert b"\x1b[31m" not in shown
    assert b"Deployment 'shop/web' ready, 3/3" in shown.splitlines()[-1]
