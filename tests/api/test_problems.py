from __future__ import annotations

import json
from typing import get_type_hints

import pytest

from ring.api import problems
from ring.api.problems import Problem, invalid
from ring.api.wire import ProblemShape
from ring.core.errors import Conflict, Denied, NotFound, UserError
from ring.core.violations import Violation


@pytest.mark.parametrize(
    ("error", "status", "title"),
    [
        (NotFound("x"), 404, "Not Found"),
        (Conflict("x"), 409, "Conflict"),
        (Denied("x"), 403, "Forbidden"),
        (UserError("x"), 400, "Bad Request"),
    ],
)
def test_errors_of_the_core_have_their_status(error: UserError, status: int, title: str) -> None:
    problem = problems.of(error)
    assert (problem.status, problem.title, problem.detail) == (status, title, "x")


def test_violations_are_told_in_order_and_by_line() -> None:
    problem = invalid([Violation("a.b", "c1", "is bad"), Violation("", "c2", "must be an object")])
    shape = json.loads(problems.body(problem, "/deployments"))
    assert list(shape) == [
        "type",
        "title",
        "status",
        "detail",
        "violations",
        "error",
        "message",
    ]
    assert shape["type"] == "about:blank"
    assert shape["detail"] == "a.b: is bad\nmust be an object"
    assert shape["violations"][0] == {"property_path": "a.b", "message": "is bad", "code": "c1"}


def test_text_that_is_no_unicode_still_makes_an_answer() -> None:
    assert b"?" in problems.body(Problem(400, "\ud800"))


def test_facts_for_programs_follow_the_usual_members() -> None:
    error = Conflict("in use", extra={"deployments": ["media/encoder"], "hint": "force it"})
    shape = json.loads(problems.body(problems.of(error), "/secrets/x"))
    assert list(shape)[-3:] == ["error", "deployments", "hint"]
    assert shape["deployments"] == ["media/encoder"]
    assert list(json.loads(problems.body(problems.of(error), "/deployments")))[-1] == "message"
    assert set(problems.of(error).extra) <= set(get_type_hints(ProblemShape))
