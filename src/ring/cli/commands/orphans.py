"""`ring node orphans`: what belongs to the server and to nothing any more."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from ring.cli.failures import GENERAL, CommandFailed
from ring.cli.options import output_option
from ring.cli.problems import write_failed
from ring.cli.prompts import confirmed
from ring.cli.rows import identity, members, objects, one_object
from ring.cli.session import Session, current
from ring.cli.terminal import GREEN, RED, is_interactive
from ring.cli.text import one_line
from ring.cli.tree import RingCommand
from ring.cli.views import Table, paged_list, show_list, show_rows

if TYPE_CHECKING:
    from ring.cli.rows import Row

_MOST_ROUNDS = 1000


def _cells(row: Row) -> tuple[object, ...]:
    kept = row.get("kept_because")
    return (
        row.get("kind"),
        row.get("name"),
        row.get("runtime") or "-",
        "yes" if row.get("removable") is True else f"no: {one_line(kept)}",
        row.get("why"),
    )


_TABLE = Table(headers=("Kind", "Name", "Runtime", "Removable", "Why"), cells=_cells)


@click.command("orphans", cls=RingCommand)
@click.option("--remove", is_flag=True, help="Remove those that may be.")
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
@output_option
def orphans(*, remove: bool, yes: bool) -> int:
    """List what belongs to nothing any more, and remove it.

    Instances, networks and directories of files that this server has made, of deployments that it
    does not know. What may be another server's is listed alone, and so are volumes: they hold data.
    """
    session = current()
    response = paged_list(session, "orphans", "node", "orphans")
    if not remove:
        show_list(session, response, _TABLE)
        return 0
    doomed = [
        row for row in objects(session.client.decode(response)) if row.get("removable") is True
    ]
    if doomed and not yes:
        _ask(session, doomed)
    return _removed(session, [identity(row) for row in doomed])


def _ask(session: Session, doomed: list[Row]) -> None:
    """Raises CommandFailed unless a person agrees."""
    if not is_interactive():
        raise CommandFailed(
            "error: refusing to remove without confirmation; "
            "pass --yes to proceed non-interactively"
        )
    if not session.json:
        show_rows(session, doomed, _TABLE)
    if not confirmed(session, f"Remove these {len(doomed)}? [y/N] "):
        raise CommandFailed("Aborted.")


def _removed(session: Session, ids: list[str]) -> int:
    """In as many requests as the server wants: what was seen, and nothing that came since."""
    removed, failed = 0, 0
    for _ in range(_MOST_ROUNDS):
        response = session.post("node", "orphans", "remove", body={"ids": ids})
        if not response.ok:
            raise write_failed("Failed to remove orphans", response)
        if session.json:
            session.print_json(response)
        answer = one_object(session.client.decode(response))
        went, stayed = members(answer.get("removed")), members(answer.get("failed"))
        removed, failed = removed + len(went), failed + len(stayed)
        _tell(session, went, stayed)
        seen = {row.get("id") for row in (*went, *stayed)}
        ids = [each for each in ids if each not in seen]
        if answer.get("more") is not True or not seen:
            break
    if not session.json:
        session.print(f"Removed: {removed}")
    return GENERAL if failed else 0


def _tell(session: Session, went: list[Row], stayed: list[Row]) -> None:
    for row in stayed:
        what = f"{one_line(row.get('kind'))} '{one_line(row.get('name'))}'"
        session.err.line(f"error: {what} is not removed: {one_line(row.get('reason'))}", RED)
    for row in went if not session.json else ():
        kind = one_line(row.get("kind")).capitalize()
        session.print(f"{kind} {one_line(row.get('name'))} removed", GREEN)
