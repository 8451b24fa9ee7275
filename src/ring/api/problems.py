"""Every error answer: one problem document, whatever went wrong."""

from __future__ import annotations

import json
from http import HTTPStatus
from typing import TYPE_CHECKING

from starlette.responses import Response

from ring.core.errors import Conflict, Denied, Invalid, Lapsed, NotFound, UserError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ring.core.violations import Violation

_TITLES = {413: "Content Too Large"}
"""Where the phrase differs between Python versions."""


class Problem(Exception):
    """An answer other than success, raised from wherever it is found out."""

    def __init__(
        self,
        status: int,
        detail: str,
        *,
        title: str = "",
        violations: Sequence[Violation] = (),
        headers: Mapping[str, str] | None = None,
        extra: Mapping[str, object] | None = None,
    ) -> None:
        """extra: members of the document beside the usual ones, such as `hint`."""
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.title = title or _TITLES.get(status) or HTTPStatus(status).phrase
        self.violations = tuple(violations)
        self.headers = dict(headers or {})
        self.extra = dict(extra or {})


class Unread(Problem):
    """The database failed before it was known who asks: only the log says how."""

    def __init__(self, why: str) -> None:
        super().__init__(500, "the server cannot read its database; its log says why")
        self.why = why


def invalid(violations: Sequence[Violation]) -> Problem:
    """422 with every violation."""
    return of(Invalid(violations))


def unauthenticated() -> Problem:
    """401 without saying why."""
    return Problem(401, "Invalid token", headers={"WWW-Authenticate": "Bearer"})


def of(error: UserError) -> Problem:
    """The status a rule of the core stands for."""
    match error:
        case NotFound():
            return Problem(404, error.message, extra=error.extra)
        case Conflict():
            return Problem(409, error.message, extra=error.extra)
        case Denied():
            return Problem(403, error.message, extra=error.extra)
        case Invalid(violations=broken):
            return Problem(422, error.message, title="Validation failed", violations=broken)
        case Lapsed():
            return unauthenticated()
        case _:
            return Problem(400, error.message, extra=error.extra)


def body(problem: Problem, path: str = "") -> bytes:
    """The document. Deployment routes repeat the text as `message`, for older scripts."""
    shape: dict[str, object] = {
        "type": "about:blank",
        "title": problem.title,
        "status": problem.status,
        "detail": problem.detail,
        "violations": [
            {"property_path": each.path, "message": each.message, "code": each.code}
            for each in problem.violations
        ],
        "error": problem.detail,
        **problem.extra,
    }
    if path.startswith("/deployments"):
        shape["message"] = problem.detail
    return json.dumps(shape, separators=(",", ":"), ensure_ascii=False).encode(errors="replace")


def response(problem: Problem, path: str) -> Response:
    return Response(
        body(problem, path),
        status_code=problem.status,
        headers=problem.headers,
        media_type="application/problem+json",
    )
