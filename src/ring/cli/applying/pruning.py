"""`--prune`: what an earlier state of a manifest has left behind, shown, on a terminal asked about,
and deleted.

Left behind are deployments of the namespaces that the file names, which carry the file's own name
and are not in it any more. Nothing is deleted after a failed apply: a deployment may have gone from
the file because another, which has just failed, is to take its place.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ring.cli.failures import GENERAL, CommandFailed, Unreachable, item_failed, scoped_list_failed
from ring.cli.problems import trouble
from ring.cli.prompts import confirmed
from ring.cli.rows import Row, objects
from ring.cli.terminal import GREEN
from ring.cli.text import one_line

if TYPE_CHECKING:
    from ring.cli.applying.tally import Tally
    from ring.cli.session import Session
    from ring.manifest import Manifest


def namespaces_of(manifest: Manifest) -> tuple[str, ...]:
    """Every namespace that the file names, in its order."""
    named = [entry.name for entry in manifest.namespaces]
    named += [entry.namespace for entry in manifest.configs]
    named += [entry.namespace for entry in manifest.deployments]
    return tuple(dict.fromkeys(named))


def prune(session: Session, manifest: Manifest, tally: Tally, *, asks: bool) -> None:
    """Delete what is left behind; a failure, or a no, goes to the tally."""
    if tally.code:
        session.warn("nothing is pruned: not everything could be applied")
        return
    try:
        rows = left_behind(session, manifest)
        if rows and _is_wanted(session, rows, asks=asks):
            _delete(session, rows, tally)
        elif rows:
            session.err.line("Aborted.")
            tally.error(GENERAL)
    except CommandFailed as failure:
        tally.error(session.fail(failure))


def left_behind(session: Session, manifest: Manifest) -> list[Row]:
    """What would be deleted. Raises CommandFailed."""
    namespaces = namespaces_of(manifest)
    declared = {(entry.namespace, entry.name) for entry in manifest.deployments}
    if not namespaces:
        return []
    query = [("namespace", namespace) for namespace in namespaces]
    response = session.get("deployments", query=query)
    if not response.ok:
        raise scoped_list_failed("deployments", namespaces, response.status, trouble(response))
    return [
        row
        for row in objects(session.client.decode(response))
        if row.get("manifest") == manifest.name
        and row.get("namespace") in namespaces
        and row.get("status") != "deleted"
        and (row.get("namespace"), row.get("name")) not in declared
    ]


def _is_wanted(session: Session, rows: list[Row], *, asks: bool) -> bool:
    count = f"{len(rows)} deployment{'s' if len(rows) > 1 else ''}"
    session.print(f"\nNo longer in the manifest ({count}):")
    for row in rows:
        session.print(f"  - {qualified(row)} ({one_line(row.get('id'))})")
    return not asks or confirmed(session, "Delete? [y/N] ")


def _delete(session: Session, rows: list[Row], tally: Tally) -> None:
    for row in rows:
        name = qualified(row)
        try:
            response = session.noted(session.client.delete("deployments", str(row.get("id"))))
            if not response.ok and response.status != 404:  # 404: gone by itself
                raise item_failed("deployment", name, response.status, trouble(response))
        except Unreachable as failure:
            tally.error(session.fail(failure))
            return
        except CommandFailed as failure:
            tally.error(session.fail(failure))
        else:
            session.print(f"Deployment '{name}' pruned", GREEN)


def qualified(row: Row) -> str:
    """`namespace/name`."""
    return one_line(f"{row.get('namespace')}/{row.get('name')}")
