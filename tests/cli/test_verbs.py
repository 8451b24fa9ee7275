"""`ring deployment restart|scale|stop|start|rollback`: what is sent, and what is said of it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.cli.stub import Answer, problem
from tests.cli.waiting.test_waiting import why

if TYPE_CHECKING:
    from tests.cli.conftest import Ring
    from tests.cli.stub import Stub


def row(**changes: Any) -> dict[str, Any]:
    return {"id": "new", "namespace": "shop", "name": "web", "replicas": 5, **changes}


UNCHANGED = {"X-Ring-Change": "unchanged"}
SCALED = {"X-Ring-Change": "scaled; from=2; to=5"}


@pytest.mark.parametrize(
    ("words", "answer", "said"),
    [
        (
            ("restart", "x"),
            Answer(201, row(parent_id="old")),
            "restarting: rolling update of old as new",
        ),
        (("restart", "x"), Answer(201, row()), "restarting: replaced at once by new"),
        (("scale", "x", "5"), Answer(200, row(), SCALED), "scaled from 2 to 5"),
        (("scale", "x", "5"), Answer(200, row(), UNCHANGED), "unchanged"),
        (("scale", "x", "5"), Answer(200, row()), "scaled to 5"),
        (
            ("scale", "x", "5"),
            Answer(201, row(parent_id="old")),
            "scaling to 5: rolling update of old as new",
        ),
        (("stop", "x"), Answer(200, row()), "stopped"),
        (("stop", "x"), Answer(200, row(), UNCHANGED), "unchanged: it is stopped"),
        (("start", "x"), Answer(200, row()), "started"),
        (("start", "x"), Answer(200, row(), UNCHANGED), "unchanged: it is not stopped"),
        (("rollback", "x"), Answer(201, row()), "rolling back: replaced at once by new"),
        (("rollback", "x"), Answer(200, row()), "rolled back: new goes on"),
    ],
)
def test_what_became_of_it(
    ring: Ring, stub: Stub, words: tuple[str, ...], answer: Answer, said: str
) -> None:
    stub.on(f"POST /deployments/x/{words[0]}", answer)
    ended = ring("deployment", *words)
    assert (ended.code, ended.err) == (0, "")
    assert ended.out == f"Deployment 'shop/web' {said}\n"
    as_json = ring("deployment", *words, "-o", "json")
    assert (as_json.code, as_json.err) == (0, "")
    assert json.loads(as_json.out) == answer.body


@pytest.mark.parametrize(
    ("words", "body"),
    [
        (("restart", "x"), {}),
        (("restart", "x", "--reason", "new certificate"), {"reason": "new certificate"}),
        (("scale", "x", "0", "--reason", "night"), {"replicas": 0, "reason": "night"}),
        (("stop", "x"), {}),
        (("start", "x", "--reason", "day"), {"reason": "day"}),
        (("rollback", "x"), {}),
        (("rollback", "x", "--to", "3"), {"to": 3}),
    ],
)
def test_what_is_sent(ring: Ring, stub: Stub, words: tuple[str, ...], body: object) -> None:
    stub.on(f"POST /deployments/x/{words[0]}", Answer(200, row()))
    assert ring("deployment", *words).code == 0
    (asked,) = stub.requests
    assert asked.json == body


@pytest.mark.parametrize("verb", ["restart", "stop", "start"])
def test_several_are_all_tried_and_the_first_failure_decides(
    ring: Ring, stub: Stub, verb: str
) -> None:
    stub.on("GET /deployments", Answer(200, [row(id="a", status="running")]))
    stub.on(f"POST /deployments/a/{verb}", Answer(200, row(id="a")))
    stub.on(f"POST /deployments/x/{verb}", problem(409, "Conflict", "it is a job: delete it"))
    ended = ring("deployment", verb, "shop/web", "x", "missing", "a1")
    assert ended.code == 5
    assert ended.out.count("Deployment 'shop/web' ") == 1
    assert ended.err == (
        f"Unable to {verb} deployment 'x': Conflict (409)\n"
        "  it is a job: delete it\n"
        "error: deployment 'missing' not found\n"
        "error: deployment 'a1' not found\n"
    )


def test_a_revision_that_is_not_kept(ring: Ring, stub: Stub) -> None:
    stub.on("POST /deployments/x/rollback", problem(404, "Not Found", "revision 3 is not kept"))
    ended = ring("deployment", "rollback", "x", "--to", "3")
    assert (ended.code, ended.out) == (4, "")
    assert ended.err == (
        "Unable to roll back deployment 'x': Not Found (404)\n  revision 3 is not kept\n"
    )


@pytest.mark.parametrize(
    "words",
    [
        ("scale", "x"),
        ("scale", "x", "many"),
        ("scale", "x", "--", "-1"),
        ("rollback", "x", "--to", "0"),
        ("rollback", "x", "y"),
        ("restart",),
        ("restart", "x", "--wait", "--timeout", "soon"),
    ],
)
def test_misuse_asks_nobody(ring: Ring, stub: Stub, words: tuple[str, ...]) -> None:
    ended = ring("deployment", *words)
    assert (ended.code, ended.out) == (2, "")
    assert ended.err.startswith("error: ")
    assert "\nUsage: ring deployment" in ended.err
    assert stub.requests == []


@pytest.mark.parametrize(
    "words", [("restart", "x"), ("scale", "x", "5"), ("start", "x"), ("rollback", "x")]
)
def test_it_may_be_waited_for(ring: Ring, stub: Stub, words: tuple[str, ...]) -> None:
    stub.on(f"POST /deployments/x/{words[0]}", Answer(201, row(revision=4)))
    stub.on("GET /deployments/new/why", why("ready", {"id": "new"}))
    ended = ring("deployment", *words, "--wait", "--timeout", "5s")
    assert (ended.code, ended.err) == (0, "")
    assert ended.out.endswith("Deployment 'shop/web' ready, 3/3\n")
