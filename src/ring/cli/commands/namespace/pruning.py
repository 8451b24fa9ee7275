"""`ring namespace prune`: removes what has ended, and keeps what runs or may."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from ring.cli.attempts import attempt_all
from ring.cli.failures import GENERAL, CommandFailed, item_failed, scoped_list_failed
from ring.cli.problems import trouble
from ring.cli.rows import identity, objects
from ring.cli.session import Session, current
from ring.cli.terminal import GREEN, RED
from ring.cli.tree import RingCommand

if TYPE_CHECKING:
    from ring.cli.rows import Row

ENDED = frozenset(
    {
        "completed",
        "failed",
        "deleted",
        "crash_loop_back_off",
        "image_pull_back_off",
        "create_container_error",
        "network_error",
        "config_error",
        "file_system_error",
        "insufficient_resources",
        "error",
    }
)
"""Statuses of what goes without --all; one that is not known here is kept."""


@click.command("prune", cls=RingCommand)
@click.argument("name", required=False)
@click.option("-a", "--all", "is_all", is_flag=True, help="Also what is pending or running.")
@click.option("--all-namespaces", is_flag=True, help="In every namespace, instead of one.")
def prune(name: str | None, *, is_all: bool, all_namespaces: bool) -> int:
    """Delete what has ended in a namespace.

    With --all, what is pending or running as well. The namespace itself, its network and its
    volumes stay.
    """
    if (name is None) != all_namespaces:
        raise click.UsageError("Give either the NAME of a namespace or --all-namespaces.")
    session = current()
    found = _listed(session, name)
    going = [deployment for deployment, status in found if is_all or status in ENDED]
    failed = len(attempt_all(session, going, lambda each: _delete(session, each)))
    session.print(f"\nSummary:\n  Deleted: {len(going) - failed}")
    if skipped := len(found) - len(going):
        session.print(f"  Skipped (active): {skipped} — use --all to delete them too")
    if failed:
        session.print(f"  Failed: {failed}", RED)
    return GENERAL if failed else 0


def _listed(session: Session, name: str | None) -> list[tuple[str, str]]:
    """Id and status of each. Raises CommandFailed unless the list is sound as a whole."""
    scope = () if name is None else (name,)
    response = session.get("deployments", query=[("namespace[]", each) for each in scope])
    if not response.ok:
        raise scoped_list_failed("deployments", scope, response.status, trouble(response))
    return [_known(row, name) for row in objects(session.client.decode(response))]


def _known(row: Row, name: str | None) -> tuple[str, str]:
    """What is deleted is named by what this row says: it has to say it, and of this namespace."""
    found, status = identity(row), row.get("status")
    if not isinstance(status, str):
        raise CommandFailed(f"error: the server listed deployment '{found}' without its status")
    if name is not None and row.get("namespace") != name:
        raise CommandFailed(f"error: the server listed a deployment that is not in '{name}'")
    return found, status


def _delete(session: Session, found: str) -> None:
    """What is gone by now is as good as deleted."""
    response = session.delete("deployments", found)
    if not response.ok and response.status != 404:
        raise item_failed("deployment", found, response.status, trouble(response))
    session.print(f"Deployment {found} deleted", GREEN)
