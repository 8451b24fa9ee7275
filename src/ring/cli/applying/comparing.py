"""What an apply would change, as the server sees it: asked for, and put into lines."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ring.cli import changes
from ring.cli.problems import write_failed
from ring.cli.rows import Row, members, one_object
from ring.cli.terminal import GREEN, RED, YELLOW
from ring.cli.text import one_line

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ring.cli.applying import Choices
    from ring.cli.client import Response
    from ring.cli.session import Session
    from ring.cli.terminal import Terminal
    from ring.manifest import Entry

UNCHANGED = "unchanged"
WORDS = {
    "create": "created",
    "update": "updated",
    "scale": "scaled",
    "roll": "rolled",
    "replace": "replaced at once",
    "delete": "deleted",
    UNCHANGED: UNCHANGED,
}
"""Of every action, in the order of the summary."""
_COLOURS = {
    "create": GREEN,
    "delete": RED,
    **dict.fromkeys(("update", "scale", "roll", "replace"), YELLOW),
}


def ask(session: Session, entry: Entry, choices: Choices) -> Response:
    """What the server says that it would do with a deployment. Raises Unreachable."""
    return session.client.post("deployments", "diff", body=entry.body, query=choices.query)


def answer_of(session: Session, entry: Entry, response: Response, context: str) -> Row:
    """The answer, its warnings shown. Raises CommandFailed for a refusal, in a context's words."""
    if not response.ok:
        raise write_failed(context, response)
    answer = one_object(session.client.decode(response))
    warnings = answer.get("warnings")
    said = warnings if isinstance(warnings, list) else []
    for warning in dict.fromkeys([*response.warnings, *map(str, said)]):
        session.warn(f"'{one_line(entry.name)}': {one_line(warning)}")
    return answer


def headline(name: str, answer: Row, terminal: Terminal) -> str:
    """`shop/web: rolled (image changes)`."""
    return line(name, one_line(answer.get("action")), terminal, _details(answer))


def line(name: str, action: str, terminal: Terminal, details: str = "") -> str:
    """One entry and its action."""
    word = terminal.paint(f"{WORDS.get(action, action)}{details}", _COLOURS.get(action))
    return f"{one_line(name)}: {word}"


def field_lines(answer: Row, terminal: Terminal) -> Iterator[str]:
    """One for each field that changes."""
    for change in changes.one_each(answer.get("changes"), terminal):
        yield f"  {change}"


def _details(answer: Row) -> str:
    """Why, or from how many to how many."""
    action, listed = one_line(answer.get("action")), members(answer.get("changes"))
    before = changes.value_at(listed, "replicas", "before")
    after = changes.value_at(listed, "replicas", "after")
    if action == "scale" and after is not None:
        return f" from {one_line(before)} to {one_line(after)}"
    if answer.get("reason"):
        return f" ({one_line(answer['reason'])})"
    if action in {"scale", "roll", "replace"} and listed:
        return f" ({changes.in_short(listed)})"
    return ""
