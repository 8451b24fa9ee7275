"""The body of a refused write, as lines for people: title, violations or detail."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ring.cli.failures import CommandFailed, exit_code
from ring.cli.rows import parse
from ring.cli.text import one_line, printable

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from ring.cli.client import Response

_LONGEST_BODY = 2000  # characters


def write_failed(context: str, response: Response) -> CommandFailed:
    """The failure of a write, from its response."""
    problem = _problem(response)
    if problem is None:
        lines = _plain(context, response)
    else:
        title = one_line(problem.get("title") or response.reason)
        lines = [f"{context}: {title} ({response.status})", *_explanation(problem)]
    return CommandFailed("\n".join(map(printable, lines)), exit_code(response.status))


def trouble(response: Response) -> str:
    """What the server says of a failure of its own, in one line; empty where it says nothing."""
    problem = _problem(response) if response.status >= 500 else None
    return one_line(problem.get("detail") or "") if problem else ""


def detail(response: Response) -> str:
    """What the server says of any refusal, in one line; empty where it says nothing."""
    problem = _problem(response)
    return one_line(problem.get("detail") or "") if problem else ""


def references(response: Response) -> list[str]:
    """What still uses an object that was to be deleted, one line each; none for other answers."""
    problem = _problem(response) if response.status == 409 else None
    names = problem.get("deployments") if problem else None
    return [one_line(name) for name in names] if isinstance(names, list) else []


def violation_lines(violations: Iterable[tuple[str, str]]) -> list[str]:
    """One line for each path and message."""
    return [f"  * {one_line(path)}: {one_line(message)}" for path, message in violations]


def _explanation(problem: Mapping[str, object]) -> list[str]:
    violations = problem.get("violations")
    if isinstance(violations, list) and violations:
        return violation_lines(
            (str(entry.get("property_path", "")), str(entry.get("message", "")))
            for entry in violations
            if isinstance(entry, dict)
        )
    detail = problem.get("detail")
    return [f"  {line}" for line in str(detail).splitlines()] if detail else []


def _plain(context: str, response: Response) -> list[str]:
    text = response.body.decode("utf-8", "replace").strip()
    shown = text.splitlines() if len(text) <= _LONGEST_BODY else []
    return [f"{context}: {response.status} {one_line(response.reason)}".rstrip(), *shown]


def _problem(response: Response) -> Mapping[str, object] | None:
    kind = response.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/problem+json":
        return None
    try:
        body = parse(response.body)
    except ValueError:
        return None
    return body if isinstance(body, dict) else None
