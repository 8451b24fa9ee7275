"""The events of one deployment, page by page or as they come; each is handed out once."""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING

from ring.cli.failures import AUTH, NOT_FOUND, CommandFailed, item_failed
from ring.cli.problems import trouble
from ring.cli.rows import Row, objects, one_object, parse
from ring.cli.sse import messages

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ring.cli.client import Response
    from ring.cli.session import Session

PAGE = 100  # entries asked for in one poll
MOST = 1000  # entries the server gives in one answer
_STREAM = "text/event-stream"


class Feed:
    """The events of one deployment; remembers which it has handed out."""

    def __init__(self, session: Session, typed: str, found: str, level: str | None) -> None:
        self.id = found
        self._session = session
        self._typed = typed
        self._level = level
        self._seen: dict[str, None] = {}
        self.streams = True
        """Until the server turns out not to stream."""

    def ask(self, limit: int) -> Response:
        """One page, newest first. Raises CommandFailed for any answer but a page."""
        response = self._session.get("deployments", self.id, "events", query=self._query(limit))
        if not response.ok:
            raise self._refused(response.status, trouble(response))
        return response

    def first(self, limit: int) -> list[Row]:
        """The last entries, oldest first; earlier ones count as handed out."""
        return self._take(self._page(MOST))[-limit:]

    def more(self) -> list[Row]:
        """What came since, oldest first; asks for a longer page when one may not hold it all."""
        page = self._page(PAGE)
        if len(page) >= PAGE and not any(_key(entry) in self._seen for entry in page):
            page = self._page(MOST)
        return self._take(page)

    def live(self) -> Iterator[Row]:
        """What comes from now on, as it comes; ends when the server ends the stream.

        Raises CommandFailed for any other answer, and when the deployment is gone.
        """
        query = [("follow", "true"), *self._query(PAGE)]
        stream = self._session.client.stream("deployments", self.id, "events", query=query)
        with stream as (response, lines):
            if not response.ok:
                raise self._refused(response.status, trouble(response))
            self.streams = response.headers.get("content-type", "").startswith(_STREAM)
            if not self.streams:
                return
            for message in chain.from_iterable(messages(lines)):
                if message.event == "end":
                    raise self._refused(404)
                yield from self._take([one_object(self._entry(message.data))])

    def _entry(self, text: str) -> object:
        try:
            return parse(text)
        except ValueError as error:
            raise self._session.client.not_json() from error

    def _query(self, limit: int) -> list[tuple[str, str]]:
        level = [] if self._level is None else [("level", self._level)]
        return [("limit", str(limit)), *level]

    def _page(self, limit: int) -> list[Row]:
        return objects(self._session.client.decode(self.ask(limit)))

    def _take(self, page: list[Row]) -> list[Row]:
        fresh = [entry for entry in reversed(page) if _key(entry) not in self._seen]
        self._seen |= dict.fromkeys(map(_key, fresh))
        if len(self._seen) > 4 * MOST:
            self._seen = dict.fromkeys(list(self._seen)[-2 * MOST :])
        return fresh

    def _refused(self, status: int, why: str = "") -> CommandFailed:
        if status == 404:
            return CommandFailed(f"error: Deployment '{self._typed}' not found", NOT_FOUND)
        if status in {401, 403}:
            return CommandFailed(
                f"error: not authorized to act on deployment '{self._typed}' — "
                "run `ring login` or set RING_TOKEN",
                AUTH,
            )
        return item_failed("deployment", self._typed, status, why)


def _key(entry: Row) -> str:
    return str(entry.get("id"))
