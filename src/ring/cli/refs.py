"""What people type for a deployment, and the id it stands for."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ring.cli.failures import CommandFailed, item_failed
from ring.cli.problems import trouble
from ring.cli.rows import Row, identity, objects

if TYPE_CHECKING:
    from ring.cli.session import Session

_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_PREFIX = re.compile(r"[0-9a-f][0-9a-f-]*")


def deployment_id(session: Session, typed: str) -> str:
    """The id of `namespace/name` or of an id's beginning; anything else is an id already.

    Raises CommandFailed when nothing, or more than one deployment, answers to it.
    """
    namespace, slash, name = typed.partition("/")
    if slash:
        return _by_name(session, typed, namespace, name)
    if _UUID.fullmatch(typed) or not _PREFIX.fullmatch(typed):
        return typed
    return _by_prefix(session, typed)


def rows_of_name(session: Session, typed: str, namespace: str, name: str) -> list[Row]:
    """Every row of a deployment, deleted ones among them. Raises CommandFailed."""
    return [
        row
        for row in _find(session, typed, [("namespace", namespace), ("name", name)])
        if (row.get("namespace"), row.get("name")) == (namespace, name)
    ]


def _by_name(session: Session, typed: str, namespace: str, name: str) -> str:
    rows = rows_of_name(session, typed, namespace, name)
    live = [row for row in rows if row.get("status") != "deleted"]
    if not live:
        raise item_failed("deployment", typed, 404)
    return identity(max(live, key=lambda row: str(row.get("created_at"))))


def _by_prefix(session: Session, typed: str) -> str:
    rows = _find(session, typed, [("id", typed)])
    found = [row for row in rows if str(row.get("id")).startswith(typed)]
    if not found:
        raise item_failed("deployment", typed, 404)
    if len(found) > 1:
        listed = "".join(
            f"\n  {row.get('id')} {row.get('namespace')}/{row.get('name')} ({row.get('status')})"
            for row in found
        )
        raise CommandFailed(
            f"error: '{typed}' is the beginning of {len(found)} deployment ids, "
            f"give more of it:{listed}"
        )
    return identity(found[0])


def _find(session: Session, typed: str, query: list[tuple[str, str]]) -> list[Row]:
    response = session.get("deployments", query=query)
    if not response.ok:
        raise item_failed("deployment", typed, response.status, trouble(response))
    return objects(session.client.decode(response))
