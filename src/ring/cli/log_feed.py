"""The logs of one deployment, as a page or as they come; each line is handed out once.

The API gives lines no ids. What tells a line that is read again from a new one is its place: its
instance and stream, its time, and which of the lines of that time it is.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

from ring.cli.failures import CommandFailed, item_failed
from ring.cli.problems import trouble
from ring.cli.rows import Row, members, objects, one_object, parse
from ring.cli.sse import messages
from ring.cli.text import one_line
from ring.clock import rfc3339
from ring.core.logs import Bookmark, moment_of
from ring.core.model.status import FINAL

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from ring.cli.client import Response
    from ring.cli.session import Session

_STREAM = "text/event-stream"
_ALL = "999999999"
"""Lines: as many as the server takes for a number."""
_OVERLAP = timedelta(seconds=2)
"""A line of one instance may be on its way while younger ones of others have come."""


class LogFeed:
    """Remembers what it has handed out."""

    def __init__(self, session: Session, typed: str, found: str, asked: Mapping[str, str]) -> None:
        self.id = found
        self._session = session
        self._typed = typed
        self._asked = asked
        self._bookmark: Bookmark[tuple[object, object]] = Bookmark()
        self._began: datetime | None = None
        """When the server first answered, by its own clock."""
        self.streams = True
        """Until the server turns out not to stream."""
        self.is_gone = False
        self.missed: list[str] = []
        """Where lines may be missing, until somebody has said so."""

    @property
    def has_begun(self) -> bool:
        return self._began is not None

    def ask(self) -> Response:
        """A page as it was asked for. Raises CommandFailed for any answer but a page."""
        return self._page(self._asked)

    def entries(self, body: bytes | str) -> list[Row]:
        return objects(self._decode(body))

    def more(self) -> list[Row]:
        """What came since."""
        query = self._resumed()
        fresh = self._fresh(self._page(query).body)
        self._bookmark.forget_unseen()
        return fresh

    def live(self) -> Iterator[list[Row]]:
        """What there is and what comes, as many as come together; ends when the server ends it.

        Raises CommandFailed for any other answer.
        """
        query = {"follow": "true", **(self._resumed() if self.has_begun else self._asked)}
        stream = self._session.client.stream(
            "deployments", self.id, "logs", query=list(query.items())
        )
        with stream as (response, lines):
            self._expect(response)
            self.streams = response.headers.get("content-type", "").startswith(_STREAM)
            if not self.streams:
                fresh = self._fresh(b"\n".join(line for some in lines for line in some))
                self._begin(response)
                yield fresh
                return
            self._begin(response)
            for some in messages(lines):
                for gap in (
                    one_object(self._decode(text)) for event, text in some if event == "gap"
                ):
                    self.missed.append(
                        _span(gap.get("instance"), gap.get("after"), gap.get("before"))
                    )
                texts = [text for event, text in some if event == "message"]
                yield self._fresh(f"[{','.join(texts)}]")
                if any(event == "end" for event, _ in some):
                    self.is_gone = True
                    return

    def is_over(self) -> bool:
        """Whether nothing will be written any more."""
        response = self._session.get("deployments", self.id)
        if response.status == 404:
            self.is_gone = True
        elif not response.ok:
            raise item_failed("deployment", self._typed, response.status, trouble(response))
        else:
            row = one_object(self._session.client.decode(response))
            return row.get("status") in set(FINAL) and not members(row.get("instances"))
        return True

    def expect_deployment(self) -> None:
        """Raises CommandFailed when there is none: without one the server knows no lines either."""
        if self.is_over() and self.is_gone:
            raise self.not_found()

    def not_found(self) -> CommandFailed:
        return item_failed("deployment", self._typed, 404)

    def _page(self, query: Mapping[str, str]) -> Response:
        response = self._session.get("deployments", self.id, "logs", query=list(query.items()))
        self._expect(response)
        return response

    def _expect(self, response: Response) -> None:
        if not response.ok:
            raise item_failed("deployment", self._typed, response.status, trouble(response))

    def _begin(self, response: Response) -> None:
        """The first answer that is one."""
        if self._began is None:
            self._began = _date(response)

    def _resumed(self) -> Mapping[str, str]:
        """Everything from where all that was handed out ends."""
        last = self._bookmark.since()
        self._bookmark.resume()
        since = (self._began or datetime.now(UTC)) if last is None else last - _OVERLAP
        return {**self._asked, "tail": _ALL, "since": rfc3339(since)}

    def _fresh(self, body: bytes | str) -> list[Row]:
        fresh = [entry for entry in self.entries(body) if self._is_new(entry)]
        for (instance, _), after, before in self._bookmark.gaps():
            self.missed.append(_span(instance, rfc3339(after), rfc3339(before)))
        return fresh

    def _is_new(self, entry: Row) -> bool:
        source = (entry.get("instance"), entry.get("stream"))
        return self._bookmark.takes(
            source, moment_of(entry.get("timestamp")), str(entry.get("message"))
        )

    def _decode(self, text: bytes | str) -> object:
        try:
            return parse(text)
        except ValueError as error:
            raise self._session.client.not_json() from error


def _span(instance: object, after: object, before: object) -> str:
    return f"{one_line(instance)} between {one_line(after)} and {one_line(before)}"


def _date(response: Response) -> datetime:
    """The answer's own date, or this machine's."""
    try:
        return parsedate_to_datetime(response.headers.get("date", "")).astimezone(UTC)
    except ValueError:
        return datetime.now(UTC)
