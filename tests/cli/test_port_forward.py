"""`ring deployment port-forward` before anything is forwarded; the rest is in tests/e2e."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.cli.stub import problem

if TYPE_CHECKING:
    from tests.cli.conftest import Ring
    from tests.cli.stub import Stub

ID = "6c0e0000-0000-4000-8000-000000000001"
ROUTE = f"GET /deployments/{ID}/port-forward"


@pytest.fixture(autouse=True)
def logged_in(ring: Ring, stub: Stub) -> None:
    ring.point_at(stub)
    ring.environ["RING_TOKEN"] = "ring_pat_0f0f"
    stub.on(ROUTE, problem(426, "Upgrade Required", "ask for an upgrade"))


@pytest.mark.parametrize(
    "mapping", ["", "http", "80:http", "0", "70000", "70000:80", "1:2:3", "-1", "80/udp"]
)
def test_what_is_no_port_is_not_asked(ring: Ring, stub: Stub, mapping: str) -> None:
    ended = ring("deployment", "port-forward", ID, "--", mapping)
    assert ended.code == 2
    assert ended.err.startswith("error: Invalid value")
    assert stub.requests == []


def test_no_port_at_all(ring: Ring) -> None:
    assert ring("deployment", "port-forward", ID).code == 2


@pytest.mark.parametrize(
    ("status", "detail", "code", "line"),
    [
        (404, "x", 4, f"error: deployment '{ID}' not found\n"),
        (
            403,
            "token lacks required scope 'deployments:forward'",
            2,
            f"error: not authorized to act on deployment '{ID}' "
            "(token lacks required scope 'deployments:forward')\n",
        ),
        (500, "x", 1, f"error: deployment '{ID}': request failed (500): x\n"),
    ],
)
def test_what_is_refused_is_told_at_once(
    ring: Ring, stub: Stub, status: int, detail: str, *, code: int, line: str
) -> None:
    stub.on(ROUTE, problem(status, "x", detail))
    ended = ring("deployment", "port-forward", ID, ":80")
    assert (ended.code, ended.out, ended.err) == (code, "", line)
    assert stub.requests[0].query == [("port", "80")]


@pytest.mark.parametrize(
    ("address", "why"),
    [
        ("here", "'here' is not an IP address of this machine"),
        ("192.0.2.1", "cannot listen on port 0 of 192.0.2.1: cannot assign requested address"),
    ],
)
def test_an_address_that_is_not_ours(ring: Ring, address: str, why: str) -> None:
    ended = ring("deployment", "port-forward", ID, ":80", "--address", address)
    assert (ended.code, ended.out, ended.err) == (1, "", f"error: {why}\n")
