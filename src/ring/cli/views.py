"""How answers of the API are shown: a list as a grid, one object as `Key : value` lines."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl

from ring.cli.failures import global_list_failed, item_failed, scoped_list_failed
from ring.cli.problems import trouble
from ring.cli.rows import objects, one_object
from ring.cli.tables import grid
from ring.cli.text import one_line

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from ring.cli.client import Response
    from ring.cli.rows import Row
    from ring.cli.session import Session


_PAGE = 1000
"""Entries that are asked for at once: the most there are in a page."""
_MOST_PAGES = 1000
_NEXT = re.compile(r'<\?([^<>]+)>; rel="next"')
"""The header `Link` of a page that is not the last."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    headers: Sequence[str]
    cells: Callable[[Row], tuple[object, ...]]
    """One object's cells, in the order of the headers."""
    right_first: bool = False
    colours: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    empty: str | None = None
    """Said in place of a table without rows."""


def show_list(session: Session, response: Response, table: Table) -> None:
    """An accepted answer that is a list, in the format that was asked for."""
    if session.json:
        session.print_json(response)
        return
    rows = objects(session.client.decode(response))
    if not rows and table.empty is not None:
        session.print(table.empty)
        return
    show_rows(session, rows, table)


def show_rows(session: Session, rows: Iterable[Row], table: Table) -> None:
    """A grid of objects."""
    text = grid(
        table.headers,
        map(table.cells, rows),
        session.out,
        right_first=table.right_first,
        colours=table.colours,
    )
    session.out.line(text)


def namespaced_list(
    session: Session, kinds: str, namespaces: tuple[str, ...], table: Table
) -> None:
    """`GET /<kinds>`, filtered by namespaces. Raises CommandFailed."""
    query = [("namespace[]", name) for name in namespaces]
    response = session.get(kinds, query=query)
    if not response.ok:
        raise scoped_list_failed(kinds, namespaces, response.status, trouble(response))
    show_list(session, response, table)


def global_list(session: Session, kinds: str) -> Response:
    """`GET /<kinds>` of what belongs to no namespace. Raises CommandFailed."""
    response = session.get(kinds)
    if not response.ok:
        raise global_list_failed(kinds, response.status, trouble(response))
    return response


def paged_list(session: Session, kinds: str, *segments: str) -> Response:
    """All pages of a list of what belongs to no namespace, as one. Raises CommandFailed."""
    rows: list[Row] = []
    query = [("limit", str(_PAGE))]
    for turn in range(_MOST_PAGES):
        response = session.get(*segments, query=query)
        if not response.ok:
            raise global_list_failed(kinds, response.status, trouble(response))
        following = _NEXT.fullmatch(response.headers.get("link", ""))
        if turn == 0 and following is None:
            return response
        rows += objects(session.client.decode(response))
        if following is None:
            break
        query = parse_qsl(following[1])
    return response._replace(body=json.dumps(rows, ensure_ascii=False).encode())


def one_item(
    session: Session,
    kind: str,
    typed: str,
    *segments: str,
    query: Iterable[tuple[str, str]] = (),
) -> Response:
    """GET of one object, or of what belongs to it. Raises CommandFailed, naming what was typed."""
    response = session.get(*segments, query=query)
    if not response.ok:
        raise item_failed(kind, typed, response.status, trouble(response))
    return response


def delete_item(session: Session, kind: str, typed: str, *segments: str) -> None:
    """DELETE of one object. Raises CommandFailed, naming what was typed."""
    response = session.delete(*segments)
    if not response.ok:
        raise item_failed(kind, typed, response.status, trouble(response))


def show_object(session: Session, response: Response, show: Callable[[Session, Row], None]) -> None:
    """An accepted answer that is one object, in the format that was asked for."""
    if session.json:
        session.print_json(response)
    else:
        show(session, one_object(session.client.decode(response)))


def show_facts(session: Session, facts: Iterable[tuple[str, object]], *, width: int) -> None:
    """One `Key : value` line for each, the colons under each other."""
    for key, value in facts:
        session.print(f"{key:<{width}}: {one_line(value)}")


def show_section(session: Session, title: str, lines: Iterable[str]) -> None:
    """A title, and indented lines under it."""
    session.print(f"\n{title}")
    for line in lines:
        session.print(f"  {one_line(line)}")
