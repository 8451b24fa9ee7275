"""Long lists in pages: so many entries, and where the next ones are in the header `Link`.

A page begins behind the entry that ended the one before, wherever that would stand now: what comes
and goes meanwhile shifts nothing. The mark in the link is for us alone to read.
"""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import urlencode

from ring.api.problems import Problem
from ring.api.queries import number

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from starlette.requests import Request

T = TypeVar("T")

DEFAULT = 100
CAP = 1000
QUERY = ("limit", "after")


def page(
    request: Request, entries: Iterable[T], key: Callable[[T], tuple[str, ...]]
) -> tuple[list[T], Mapping[str, str]]:
    """Those that were asked for, by their keys, which no two share; and the answer's headers.

    Raises 400.
    """
    limit = number(request, "limit", default=DEFAULT, cap=CAP)
    after = _after(request)
    left = sorted((entry for entry in entries if after is None or key(entry) > after), key=key)
    found = left[:limit]
    if not found or len(found) == len(left):
        return found, {}
    query = urlencode({"limit": limit, "after": _mark(key(found[-1]))})
    return found, {"Link": f'<?{query}>; rel="next"'}


def _mark(key: tuple[str, ...]) -> str:
    return base64.urlsafe_b64encode(json.dumps(key).encode()).decode()


def _after(request: Request) -> tuple[str, ...] | None:
    """None: from the beginning."""
    mark = request.query_params.get("after")
    if mark is None:
        return None
    try:
        key = json.loads(base64.b64decode(mark, altchars=b"-_", validate=True))
    except (ValueError, RecursionError):
        key = None
    if not isinstance(key, list) or not all(isinstance(part, str) for part in key):
        raise Problem(400, "query parameter 'after' must be as the page before has given it")
    return tuple(key)
