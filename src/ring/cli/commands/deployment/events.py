"""`ring deployment events`: what happened to a deployment, once or as it happens."""

from __future__ import annotations

import click

from ring.cli.colours import EVENT_LEVEL
from ring.cli.feed import Feed
from ring.cli.following import HEADERS, cells, follow
from ring.cli.options import WholeNumber, output_option
from ring.cli.refs import deployment_id
from ring.cli.rows import objects
from ring.cli.session import current
from ring.cli.tables import grid
from ring.cli.tree import RingCommand


@click.command("events", cls=RingCommand)
@click.argument("deployment", metavar="ID")
@click.option(
    "-l", "--level", type=click.Choice(["info", "warning", "error"]), help="Only of this level."
)
@click.option("--limit", type=WholeNumber(min=1), default=50, help="At most so many (default: 50).")
@click.option(
    "-f", "--follow", "is_following", is_flag=True, help="Go on with new events as they come."
)
@output_option
def events(deployment: str, level: str | None, limit: int, *, is_following: bool) -> None:
    """Show what happened to a deployment.

    Newest first; oldest first when following.
    """
    session = current()
    feed = Feed(session, deployment, deployment_id(session, deployment), level)
    if is_following:
        follow(session, feed, limit)
        return
    response = feed.ask(limit)
    if session.json:
        session.print_json(response)
        return
    entries = objects(session.client.decode(response))
    if not entries:
        session.print(f"No events found for deployment {feed.id}")
        return
    rows = map(cells, entries)
    session.out.line(grid(HEADERS, rows, session.out, colours={"Level": EVENT_LEVEL}))
