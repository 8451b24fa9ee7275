"""`ring deployment exec` where there is no channel; what goes over one is in tests/e2e."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.cli.stub import problem

if TYPE_CHECKING:
    from tests.cli.conftest import Ring
    from tests.cli.stub import Stub

ID = "6c0e0000-0000-4000-8000-000000000001"
ROUTE = f"GET /deployments/{ID}/exec"


@pytest.fixture(autouse=True)
def logged_in(ring: Ring, stub: Stub) -> None:
    ring.point_at(stub)
    ring.environ["RING_TOKEN"] = "ring_pat_0f0f"


@pytest.mark.parametrize(
    ("status", "detail", "code", "line"),
    [
        (409, "no instance of a/b runs", 5, "error: no instance of a/b runs\n"),
        (404, "Deployment not found", 4, f"error: deployment '{ID}' not found\n"),
        (
            403,
            "token lacks required scope 'deployments:exec'",
            2,
            f"error: not authorized to act on deployment '{ID}' "
            "(token lacks required scope 'deployments:exec')\n",
        ),
        (503, "too many", 1, f"error: deployment '{ID}': request failed (503): too many\n"),
    ],
)
def test_a_refusal_is_one_line(
    ring: Ring, stub: Stub, status: int, detail: str, *, code: int, line: str
) -> None:
    stub.on(ROUTE, problem(status, "x", detail))
    ended = ring("deployment", "exec", ID, "--", "ls", "-l")
    assert (ended.code, ended.out, ended.err) == (code, "", line)


def test_what_is_to_be_run_is_not_in_the_request(ring: Ring, stub: Stub) -> None:
    stub.on(ROUTE, problem(409, "Conflict", "none"))
    ended = ring("deployment", "exec", "-i", "t", ID, "-e", "A=secret", "--", "ls", "secret")
    assert "-i names an instance" in ended.err
    (request,) = stub.requests
    assert request.query == [("instance", "t")]
    assert "secret" not in f"{request.target}{dict(request.headers)}{request.body!r}"
    assert request.headers["Upgrade"] == "websocket"


@pytest.mark.parametrize("args", [(), ("--",), ("-e", "A", "--", "ls"), ("-e", "=b", "--", "ls")])
def test_what_is_misused_is_not_asked(ring: Ring, stub: Stub, args: tuple[str, ...]) -> None:
    ended = ring("deployment", "exec", ID, *args)
    assert ended.code == 2
    assert ended.err.startswith("error: ")
    assert stub.requests == []
