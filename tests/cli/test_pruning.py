"""`ring namespace prune`: what goes, what stays, and what is never guessed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.cli.stub import Answer, problem

if TYPE_CHECKING:
    from tests.cli.conftest import Ring
    from tests.cli.stub import Stub

ENDED = (
    *("completed", "failed", "deleted", "crash_loop_back_off", "image_pull_back_off"),
    *("create_container_error", "network_error", "config_error", "file_system_error"),
    *("error", "insufficient_resources"),
)
ACTIVE = ("pending", "creating", "running", "a_status_of_the_future")


def rows(*statuses: str, namespace: str = "shop") -> list[dict[str, Any]]:
    return [{"id": status, "namespace": namespace, "status": status} for status in statuses]


@pytest.fixture
def full(stub: Stub) -> Stub:
    """A namespace with a deployment in every status."""
    stub.on("GET /deployments", Answer(200, rows(*ENDED, *ACTIVE)))
    for status in (*ENDED, *ACTIVE):
        stub.on(f"DELETE /deployments/{status}", Answer(204))
    return stub


def test_what_has_ended_goes(ring: Ring, full: Stub) -> None:
    ended = ring.process("namespace", "prune", "shop")
    assert (ended.code, ended.err) == (0, "")
    lines = "".join(f"Deployment {status} deleted\n" for status in ENDED)
    assert ended.out == (
        f"{lines}\nSummary:\n  Deleted: 11\n  Skipped (active): 4 — use --all to delete them too\n"
    )
    assert full.requests[0].query == [("namespace[]", "shop")]
    assert full.seen()[1:] == [f"DELETE /deployments/{status}" for status in ENDED]


@pytest.mark.parametrize("flag", ["-a", "--all"])
def test_all_of_them_go(ring: Ring, full: Stub, flag: str) -> None:
    ended = ring("namespace", "prune", "shop", flag)
    assert ended.code == 0
    assert ended.out.endswith("\n\nSummary:\n  Deleted: 15\n")
    assert len(full.requests) == 16


def test_nothing_to_prune(ring: Ring, stub: Stub) -> None:
    stub.on("GET /deployments", Answer(200, []))
    ended = ring("namespace", "prune", "shop")
    assert (ended.code, ended.out) == (0, "\nSummary:\n  Deleted: 0\n")


@pytest.mark.parametrize("words", [(), ("--all",), ("shop", "--all-namespaces")])
def test_what_is_meant_has_to_be_said(ring: Ring, full: Stub, words: tuple[str, ...]) -> None:
    ended = ring("namespace", "prune", *words)
    assert (ended.code, ended.out) == (2, "")
    assert ended.err.startswith("error: Give either the NAME of a namespace or --all-namespaces.")
    assert full.requests == []


def test_every_namespace_when_said_so(ring: Ring, stub: Stub) -> None:
    found = [*rows("failed"), {"id": "b", "namespace": "other", "status": "error"}]
    stub.on("GET /deployments", Answer(200, found))
    stub.on("DELETE /deployments/failed", Answer(204))
    stub.on("DELETE /deployments/b", Answer(204))
    ended = ring("namespace", "prune", "--all-namespaces")
    assert (ended.code, ended.out.count("deleted\n")) == (0, 2)
    assert stub.requests[0].query == []


def test_a_failure_is_counted_and_the_rest_goes_on(ring: Ring, full: Stub) -> None:
    full.on("DELETE /deployments/failed", problem(500, "Internal Server Error", "disk full"))
    ended = ring("namespace", "prune", "shop")
    assert ended.code == 1
    assert ended.err == "error: deployment 'failed': request failed (500): disk full\n"
    assert "  Deleted: 10\n" in ended.out
    assert ended.out.endswith("  Failed: 1\n")


def test_what_is_gone_by_now_is_as_good_as_deleted(ring: Ring, full: Stub) -> None:
    full.on("DELETE /deployments/deleted", problem(404, "Not Found"))
    ended = ring("namespace", "prune", "shop")
    assert (ended.code, ended.err) == (0, "")
    assert "  Deleted: 11\n" in ended.out


@pytest.mark.parametrize(
    ("answer", "code", "line"),
    [
        (
            problem(403, "Forbidden"),
            2,
            "cannot list deployments in namespace 'shop': not authorized",
        ),
        (problem(500, "x"), 1, "cannot list deployments in namespace 'shop': request failed (500)"),
        (Answer(200, {}), 1, "the server answered in a shape this command does not know"),
        (
            Answer(200, [*rows("failed"), {"id": "x", "namespace": "shop"}]),
            1,
            "the server listed deployment 'x' without its status",
        ),
        (
            Answer(200, [{"id": "", "namespace": "shop", "status": "failed"}]),
            1,
            "the server answered with an object that has no id",
        ),
        (
            Answer(200, rows("failed", namespace="other")),
            1,
            "the server listed a deployment that is not in 'shop'",
        ),
    ],
)
def test_a_list_that_is_not_sound_deletes_nothing(
    ring: Ring, stub: Stub, answer: Answer, code: int, line: str
) -> None:
    stub.on("GET /deployments", answer)
    ended = ring("namespace", "prune", "shop", "--all")
    assert (ended.code, ended.out, ended.err) == (code, "", f"error: {line}\n")
    assert stub.seen() == ["GET /deployments"]
