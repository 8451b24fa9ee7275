"""`ring image`: what the engines hold of images, and removing those that nobody needs."""

from __future__ import annotations

import re

import click

from ring.cli.amounts import size
from ring.cli.failures import GENERAL
from ring.cli.options import output_option
from ring.cli.problems import write_failed
from ring.cli.rows import Row, members, one_object, whole_number
from ring.cli.session import Session, current
from ring.cli.terminal import GREEN, RED
from ring.cli.text import one_line, utc
from ring.cli.tree import RingCommand, RingGroup
from ring.cli.views import Table, paged_list, show_list, show_rows

image = RingGroup(
    "image",
    help="Images that the engines hold, and the disk that they take.",
    lazy={
        "list": "ring.cli.commands.image:list_images",
        "prune": "ring.cli.commands.image:prune",
    },
    default="list",
)

_DAYS = re.compile(r"([0-9]{1,6})d")
_SHORT = len("sha256:") + 12
_MOST_ROUNDS = 1000


def _cells(row: Row) -> tuple[object, ...]:
    used = row.get("last_used_at")
    return (
        row.get("reference"),
        str(row.get("digest") or row.get("id") or "")[:_SHORT],
        size(row.get("size")),
        "ring" if row.get("managed") else "other",
        _users(row),
        "" if used is None else utc(used),
        row.get("runtime"),
    )


def _users(row: Row) -> str:
    """What is not in use shows `-`."""
    users = [
        f"{one_line(each.get('kind'))} {one_line(each.get('name'))}"
        for each in members(row.get("used_by"))
    ]
    return ", ".join(users) or "-"


_TABLE = Table(
    headers=(
        "Reference",
        "Digest",
        "Size",
        "Pulled by",
        "Used by",
        "Last used (UTC)",
        "Runtime",
    ),
    cells=_cells,
)


@click.command("list", cls=RingCommand)
@output_option
def list_images() -> None:
    """List the images of the engines.

    With who needs each of them, and when those that Ring has pulled were last in use.
    """
    session = current()
    show_list(session, paged_list(session, "images", "images"), _TABLE)


def _age(_: click.Context, __: click.Parameter, text: str | None) -> str | None:
    """Days are hours to the server."""
    days = _DAYS.fullmatch(text or "")
    return f"{int(days[1]) * 24}h" if days else text


@click.command("prune", cls=RingCommand)
@click.option("--dry-run", is_flag=True, help="Only show what would be removed.")
@click.option(
    "--older-than",
    metavar="DURATION",
    callback=_age,
    help="What was in use since then stays (default: the server's gc_min_age, 24h).",
)
@click.option("-a", "--all", "is_all", is_flag=True, help="Also what only a rollback would need.")
@output_option
def prune(older_than: str | None, *, dry_run: bool, is_all: bool) -> int:
    """Remove images that Ring has pulled and nobody needs.

    Nobody means: no container, whoever made it, no deployment, and no revision that could be rolled
    back to. What somebody else has pulled, built or tagged stays in any case.
    """
    session = current()
    body: dict[str, object] = {"dry_run": dry_run, "all": is_all}
    if older_than is not None:
        body["older_than"] = older_than
    removed, failed = _pruned(session, body)
    if session.json:
        return GENERAL if failed else 0
    for row in removed if not dry_run else ():
        session.print(f"Image {one_line(row.get('reference'))} removed", GREEN)
    if dry_run:
        show_rows(session, removed, _TABLE)
    for row in failed:
        what = f"error: image '{one_line(row.get('reference'))}' is not removed"
        session.err.line(f"{what}: {one_line(row.get('reason'))}", RED)
    total = size(sum(whole_number(row.get("size")) for row in removed))
    session.print(f"{'Would remove' if dry_run else 'Removed'}: {len(removed)}, {total}")
    return GENERAL if failed else 0


def _pruned(session: Session, body: Row) -> tuple[list[Row], list[Row]]:
    """What went and what did not, in as many requests as the server wants. Raises CommandFailed."""
    removed: list[Row] = []
    failed: dict[object, Row] = {}
    for _ in range(_MOST_ROUNDS):
        response = session.post("images", "prune", body=body)
        if not response.ok:
            raise write_failed("Failed to prune images", response)
        answer = one_object(session.client.decode(response))
        if session.json:
            session.print_json(response)
        went = members(answer.get("removed"))
        removed += went
        failed |= {
            (row.get("runtime"), row.get("id")): row for row in members(answer.get("failed"))
        }
        if answer.get("more") is not True or not went:
            break
    return removed, list(failed.values())
