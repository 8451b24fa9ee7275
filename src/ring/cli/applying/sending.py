"""What sending any entry has in common: its warnings, and a server that does not answer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ring.cli.terminal import RED
from ring.cli.text import one_line

if TYPE_CHECKING:
    from ring.cli.applying.tally import Tally
    from ring.cli.client import Response
    from ring.cli.failures import Unreachable
    from ring.cli.session import Session


def noted(session: Session, name: str, response: Response) -> Response:
    """The same response, its warnings shown with the name of the entry."""
    for warning in response.warnings:
        session.warn(f"'{name}': {one_line(warning)}")
    return response


def unanswered(session: Session, context: str, failure: Unreachable, tally: Tally) -> None:
    """An entry got no answer: say it for this entry, and keep the reason for the end."""
    reason = failure.message.removeprefix("error: ")
    session.err.line(f"{context}: {reason}", RED)
    tally.error(failure.code, reason)
