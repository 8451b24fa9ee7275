"""Follows a deployment's events: by the server's stream where it lasts, else by asking again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ring.cli.colours import EVENT_LEVEL
from ring.cli.failures import NOT_FOUND, CommandFailed
from ring.cli.tables import Grid
from ring.cli.text import compact, utc

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from ring.cli.feed import Feed
    from ring.cli.rows import Row
    from ring.cli.session import Session

POLL_S = 2.0
HEADERS = ("Time", "Level", "Component", "Reason", "Message")


def cells(entry: Row) -> tuple[object, ...]:
    """The row of one event under HEADERS."""
    return (
        utc(entry.get("timestamp")),
        entry.get("level"),
        entry.get("component"),
        entry.get("reason") or "-",
        entry.get("message"),
    )


def follow(session: Session, feed: Feed, limit: int) -> None:
    """Print entries as they come, until the deployment is gone or nobody reads.

    Raises CommandFailed if the first request fails; later failures are shown and outlasted.
    """
    entries = feed.first(limit)
    if not session.json:
        session.print(f"Following events for deployment {feed.id} (Press Ctrl+C to stop)...")
    _Follower(session, feed).run(entries)


class _Follower:
    def __init__(self, session: Session, feed: Feed) -> None:
        self._session = session
        self._feed = feed
        self._printer = _Printer(session)
        self._trouble: str | None = None
        """What was complained of last; the same is not said twice in a row."""
        self._is_gone = False

    def run(self, entries: Sequence[Row]) -> None:
        self._printer.show(entries)
        while self._feed.streams and not self._is_over():
            self._attempt(self._stream)
            self._poll()
        while not self._is_over():
            self._poll()
        if self._is_gone and not self._session.json:
            self._session.err.line(f"Deployment {self._feed.id} is gone")

    def _is_over(self) -> bool:
        return self._is_gone or self._session.out.closed

    def _poll(self) -> None:
        if not self._is_over():
            self._session.pause(POLL_S)
            self._attempt(lambda: self._printer.show(self._feed.more()))

    def _stream(self) -> None:
        for entry in self._feed.live():
            self._printer.show([entry])
            self._trouble = None
            if self._is_over():
                return

    def _attempt(self, act: Callable[[], None]) -> None:
        try:
            act()
            self._trouble = None
        except CommandFailed as failure:
            self._is_gone = failure.code == NOT_FOUND
            if not self._is_gone and failure.message != self._trouble:
                self._session.fail(failure)
            self._trouble = failure.message


class _Printer:
    """A grid that grows downwards, or one JSON object a line."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._grid = Grid(HEADERS, colours={"Level": EVENT_LEVEL})
        self._started = False

    def show(self, entries: Iterable[Row]) -> None:
        entries = list(entries)
        if self._session.json:
            for entry in entries:
                self._session.out.line(compact(entry))
            return
        out = self._session.out
        rows = [cells(entry) for entry in entries]
        if not self._started:
            out.line(self._grid.render(rows, out))
            self._started = True
        elif rows:
            out.line(self._grid.more(rows, out))
