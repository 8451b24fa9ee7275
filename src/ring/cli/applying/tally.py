"""How an apply went: counts of deployments, and the first thing that failed."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ring.cli.failures import CommandFailed, Unreachable
from ring.cli.terminal import RED

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ring.cli.rows import Row
    from ring.cli.session import Session


@dataclass(slots=True)
class Tally:
    successful: int = 0
    failed: int = 0
    code: int = 0
    """The exit code of the first error."""
    untold: str | None = None
    """The first error, unless it has been shown in full already."""
    taken: list[Row] = field(default_factory=list)
    """The deployments as the server has taken them."""

    def error(self, code: int, untold: str | None = None) -> None:
        """An entry failed; only the first one decides."""
        if self.code == 0:
            self.code, self.untold = code, untold

    @contextmanager
    def failures(self, session: Session) -> Iterator[None]:
        """Show a failure and go on, unless nobody answers."""
        try:
            yield
        except Unreachable:
            raise
        except CommandFailed as failure:
            self.error(session.fail(failure))

    def summary(self, session: Session) -> None:
        """The closing lines on stdout."""
        session.print("\nSummary:")
        session.print(f"  Successful: {self.successful}")
        if self.failed:
            session.print(f"  Failed: {self.failed}")

    def end(self, session: Session) -> int:
        """Say the first error if nobody did; the exit code."""
        if self.untold is not None:
            session.err.line(f"Error: {self.untold}", RED)
        return self.code
