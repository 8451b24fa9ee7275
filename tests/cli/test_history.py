"""`ring deployment history|why`: what was, and what is waited for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ring.cli.commands.deployment.history import HEADERS
from tests.cli.catalogue import EVENT, ID, MADE, REVISION, WHY
from tests.cli.stub import Answer, problem

if TYPE_CHECKING:
    from tests.cli.conftest import Ring
    from tests.cli.stub import Request, Stub

FIRST = {
    **REVISION,
    "revision": 3,
    "author": None,
    "cause": "auto_rollback",
    "ready_at": MADE,
    "current": False,
    "image": "web:1",
    "changes": None,
}


def test_the_table(ring: Ring, stub: Stub) -> None:
    stub.on("GET /deployments/x/revisions", Answer(200, [REVISION, FIRST]))
    ended = ring("deployment", "history", "x")
    assert (ended.code, ended.err) == (0, "")
    cells = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in ended.out.splitlines()
        if line.startswith("|")
    ]
    assert cells == [
        list(HEADERS),
        ["4*", "2026-02-11 08:14:09", "mira", "apply", "", "web:2", "3", "image"],
        ["3", "2026-02-11 08:14:09", "", "auto_rollback", "2026-02-11 08:14:09", "web:1", "3", ""],
    ]


def test_the_values(ring: Ring, stub: Stub) -> None:
    changes = [
        {"path": "environment.LOG", "before": None, "after": "debug"},
        {"path": "ports", "before": [{"published": 80}], "after": None},
        {"path": "config.password (has changed)", "before": "***", "after": "***"},
    ]
    stub.on("GET /deployments/x/revisions", Answer(200, [{**REVISION, "changes": changes}, FIRST]))
    first = {**FIRST, "revision": 1}
    stub.on("GET /deployments/y/revisions", Answer(200, [first]))
    assert ring("deployment", "history", "y", "-v").out.endswith("Revision 1\n  the first\n")
    for flag in ("-v", "--diff"):
        _, _, shown = ring("deployment", "history", "x", flag).out.partition("\n\n")
        assert shown == (
            "Revision 4*\n"
            "  environment.LOG:\n"
            '    + "debug"\n'
            "  ports:\n"
            '    - [{"published":80}]\n'
            "  config.password (has changed)\n"
            "\n"
            "Revision 3\n"
            "  the one before it is not kept\n"
        )


def test_no_revision(ring: Ring, stub: Stub) -> None:
    stub.on("GET /deployments/x/revisions", Answer(200, []))
    assert ring("deployment", "history", "x").out == "No revisions of deployment x are kept\n"
    assert ring("deployment", "history", "x", "-o", "json").out == "[]\n"


def test_why(ring: Ring, stub: Stub) -> None:
    def events(request: Request) -> Answer:
        level = dict(request.query)["level"]
        number = {"warning": "1", "error": "2"}[level]
        entry = {**EVENT, "level": level, "timestamp": f"2026-02-11T08:14:0{number}Z"}
        return Answer(200, [{**entry, "message": f"{level} {count}"} for count in (2, 1)])

    stub.on("GET /deployments/x/why", Answer(200, WHY))
    stub.on("GET /deployments/x/events", events)
    ended = ring("deployment", "why", "x")
    assert (ended.code, ended.err) == (0, "")
    facts, _, rest = ended.out.partition("\n\n")
    assert facts.splitlines() == [
        "Status    : creating",
        "State     : progressing",
        "Summary   : waits for 1 of 3 instances to become ready",
        "Decided at: 2026-02-11 08:14:09",
    ]
    rows, _, shown = rest.partition("\n\nEVENTS\n")
    assert f"| {ID} | 4        | child | creating | 3    | 2     | 3      | waits for 1 of" in rows
    assert [line.split("|")[5].strip() for line in shown.splitlines()[3::2]] == [
        "warning 1",
        "error 2",
        "error 1",
    ]


def test_why_without_a_decision_or_events(ring: Ring, stub: Stub) -> None:
    bare = {**WHY, "decided_at": None, "summary": "", "rows": []}
    stub.on("GET /deployments/x/why", Answer(200, bare))
    stub.on("GET /deployments/x/events", problem(403, "Forbidden"))
    ended = ring("deployment", "why", "x")
    assert (ended.code, ended.err) == (0, "")
    assert "Summary   :\nDecided at:\n" in ended.out
    assert "EVENTS" not in ended.out


def test_refusals(ring: Ring) -> None:
    for verb in ("why", "history"):
        ended = ring("deployment", verb, "missing")
        assert (ended.code, ended.out) == (4, "")
        assert ended.err == "error: deployment 'missing' not found\n"
