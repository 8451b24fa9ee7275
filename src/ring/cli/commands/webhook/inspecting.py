"""`ring webhook inspect`: what became of the events that a webhook is told about."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from ring.cli.colours import DELIVERY_STATUS
from ring.cli.failures import NOT_FOUND, CommandFailed, item_failed
from ring.cli.options import output_option
from ring.cli.problems import trouble
from ring.cli.rows import Row, objects
from ring.cli.session import Session, current
from ring.cli.tables import Grid
from ring.cli.text import compact, utc
from ring.cli.tree import RingCommand
from ring.cli.views import Table, show_list

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ring.cli.client import Response

POLL_S = 2.0
LIMIT = 50  # events shown at first
MOST = 200  # events the server gives in one answer


def _cells(row: Row) -> tuple[object, ...]:
    return (
        row.get("id"),
        row.get("kind"),
        row.get("status"),
        row.get("attempts"),
        utc(row.get("updated_at") or row.get("created_at")),
        row.get("last_error"),
    )


_TABLE = Table(
    headers=("Id", "Kind", "Status", "Attempts", "Updated (UTC)", "Last error"),
    cells=_cells,
    colours={"Status": DELIVERY_STATUS},
)


@click.command("inspect", cls=RingCommand)
@click.argument("webhook_id", metavar="ID")
@click.option(
    "-f", "--follow", "is_following", is_flag=True, help="Go on with what is new or has changed."
)
@output_option
def inspect(webhook_id: str, *, is_following: bool) -> None:
    """Show the events of a webhook.

    Newest first; oldest first when following.
    """
    session = current()
    if is_following:
        _Follower(session, webhook_id).run()
    else:
        show_list(session, session.noted(_ask(session, webhook_id, LIMIT)), _TABLE)


def _ask(session: Session, webhook_id: str, limit: int) -> Response:
    query = [("limit", str(limit))]
    response = session.client.get("webhooks", webhook_id, "events", query=query)
    if not response.ok:
        raise item_failed("webhook", webhook_id, response.status, trouble(response))
    return response


class _Follower:
    """Shows each state of each event once."""

    def __init__(self, session: Session, webhook_id: str) -> None:
        self._session = session
        self._id = webhook_id
        self._known: dict[str, tuple[object, object]] = {}
        self._grid = Grid(_TABLE.headers, colours=_TABLE.colours)
        self._trouble: str | None = None
        """What was complained of last; the same is not said twice in a row."""
        self._is_gone = False

    def run(self) -> None:
        """Until nobody reads, or there is no such webhook any more.

        Raises CommandFailed if the first request fails; later failures are shown and outlasted.
        """
        self._show(list(self._fresh())[-LIMIT:], is_first=True)
        while not self._session.out.closed and not self._is_gone:
            self._session.pause(POLL_S)
            self._poll()

    def _poll(self) -> None:
        try:
            self._show(list(self._fresh()), is_first=False)
            self._trouble = None
        except CommandFailed as failure:
            self._is_gone = failure.code == NOT_FOUND
            if failure.message != self._trouble:
                self._session.fail(failure)
            self._trouble = failure.message

    def _fresh(self) -> Iterator[Row]:
        """What is new or has changed, oldest first."""
        page = objects(self._session.client.decode(_ask(self._session, self._id, MOST)))
        for row in reversed(page):
            key, state = str(row.get("id")), (row.get("status"), row.get("attempts"))
            if self._known.pop(key, None) != state:
                yield row
            self._known[key] = state
        for key in list(self._known)[: -4 * MOST]:
            del self._known[key]

    def _show(self, rows: list[Row], *, is_first: bool) -> None:
        out = self._session.out
        if self._session.json:
            for row in rows:
                out.line(compact(row))
        elif is_first:
            out.line(self._grid.render(map(_cells, rows), out))
        elif rows:
            out.line(self._grid.more(map(_cells, rows), out))
