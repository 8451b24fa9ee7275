"""`ring deployment logs`: what a deployment's instances wrote, once or as they write it."""

from __future__ import annotations

import click

from ring.cli.failures import CommandFailed
from ring.cli.log_feed import LogFeed
from ring.cli.log_following import follow, show
from ring.cli.options import WholeNumber, output_option
from ring.cli.refs import deployment_id
from ring.cli.session import current
from ring.cli.tree import RingCommand
from ring.clock import SystemClock
from ring.core.errors import UserError
from ring.core.logs import parse_since


@click.command("logs", cls=RingCommand)
@click.argument("deployment", metavar="ID")
@click.option(
    "-f", "--follow", "is_following", is_flag=True, help="Go on with new lines as they come."
)
@click.option(
    "--tail",
    type=WholeNumber(min=0),
    metavar="N",
    help="Only the last N lines of each instance (default: 100).",
)
@click.option(
    "--since", metavar="TIME", help="Only lines after this: 30s, 10m, 2h ago, or a timestamp."
)
@click.option(
    "-c",
    "--container",
    metavar="TEXT",
    help="Only instances whose name has this, or whose id begins with it.",
)
@output_option
def logs(
    deployment: str,
    tail: int | None,
    since: str | None,
    container: str | None,
    *,
    is_following: bool,
) -> None:
    """Show what the instances of a deployment wrote.

    One after the other, those that are gone first; mixed when following.
    """
    _check(since)
    session = current()
    asked = {"tail": tail, "since": since, "container": container}
    feed = LogFeed(
        session,
        deployment,
        deployment_id(session, deployment),
        {key: str(value) for key, value in asked.items() if value is not None},
    )
    if is_following:
        follow(session, feed)
        return
    response = feed.ask()
    entries = feed.entries(response.body)
    if not entries:
        feed.expect_deployment()
    if session.json:
        session.print_json(response)
    elif entries:
        show(session, entries)
    else:
        session.print("No logs available for this deployment")


def _check(since: str | None) -> None:
    """Before anything is asked of the server."""
    if since is None:
        return
    try:
        parse_since(since, SystemClock().wall())
    except UserError as error:
        raise CommandFailed(f"error: invalid --since '{since}': {error.message}") from error
