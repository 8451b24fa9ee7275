"""Shows log lines: once, or by the server's stream where it lasts, else by asking again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ring.cli.failures import CommandFailed
from ring.cli.text import compact, one_line, printable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from ring.cli.log_feed import LogFeed
    from ring.cli.rows import Row
    from ring.cli.session import Session

POLL_S = 2.0


def show(session: Session, entries: Iterable[Row]) -> None:
    """Prints lines. Control characters of messages are spelled out on a terminal alone."""
    text = [compact(entry) if session.json else _line(entry) for entry in entries]
    if not session.json and session.out.is_terminal:
        text = [printable(line) for line in text]
    if text:
        session.out.line("\n".join(text))


def _line(entry: Row) -> str:
    timestamp = one_line(entry.get("timestamp"))
    line = f"{one_line(entry.get('instance'))} {entry.get('message')}"
    return f"[{timestamp}] {line}" if timestamp else line


def follow(session: Session, feed: LogFeed) -> None:
    """Print lines as they come, until no more will come or nobody reads.

    Raises CommandFailed if the first request fails; later failures are shown and outlasted.
    """
    _Follower(session, feed).run()


class _Follower:
    def __init__(self, session: Session, feed: LogFeed) -> None:
        self._session = session
        self._feed = feed
        self._is_over = False
        self._trouble: str | None = None
        """What was complained of last; the same is not said twice in a row."""

    def run(self) -> None:
        self._attempt(self._stream)
        if self._feed.is_gone and not self._feed.streams:
            raise self._feed.not_found()
        while not self._is_done():
            self._session.pause(POLL_S)
            self._attempt(self._poll)
            if self._feed.streams and not self._is_done():
                self._attempt(self._stream)
        if self._feed.is_gone and not self._session.json:
            self._session.err.line(f"Deployment {self._feed.id} is gone")

    def _is_done(self) -> bool:
        return self._is_over or self._session.out.closed

    def _stream(self) -> None:
        for entries in self._feed.live():
            self._show(entries)
            self._trouble = None
            if self._session.out.closed:
                return
        self._is_over = self._feed.is_gone or self._feed.is_over()

    def _poll(self) -> None:
        """The look at the deployment comes first: what is written later is no last line."""
        is_over = self._feed.is_over()
        if not self._feed.is_gone:
            self._show(self._feed.more())
        self._is_over = is_over

    def _show(self, entries: Iterable[Row]) -> None:
        missed, self._feed.missed = self._feed.missed, []
        for span in missed:
            self._session.err.line(f"Warning: lines may be missing of {span}")
        show(self._session, entries)

    def _attempt(self, act: Callable[[], None]) -> None:
        try:
            act()
            self._trouble = None
        except CommandFailed as failure:
            if not self._feed.has_begun:
                raise
            if failure.message != self._trouble:
                self._session.fail(failure)
            self._trouble = failure.message
