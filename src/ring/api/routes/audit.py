"""The audit trail of the whole node: newest first, filtered page by page."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ring.api import wire
from ring.api.queries import number, values
from ring.api.routing import Doc, Guarded
from ring.core.access import Scope

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from ring.api.calls import Call
    from ring.api.routing import Route
    from ring.store.store import AuditEntry

DEFAULT = 100
CAP = 1000
_KEYS = ("namespace", "user_id", "action", "target_type")


@dataclass(frozen=True, slots=True)
class Filter:
    """OR within a key, AND between keys; an empty collection asks for nothing in particular."""

    wanted: dict[str, frozenset[str]]

    @classmethod
    def of(cls, request: Request) -> Filter:
        return cls({key: frozenset(values(request, key)) for key in _KEYS})

    def only(self, key: str) -> str | None:
        """The one value that is asked for, which an index finds."""
        found = self.wanted[key]
        return next(iter(found)) if len(found) == 1 else None

    def takes(self, entry: AuditEntry) -> bool:
        given = (entry.namespace, entry.user_id, entry.action, entry.target_type)
        return all(
            not self.wanted[key] or value in self.wanted[key]
            for key, value in zip(_KEYS, given, strict=True)
        )


async def list_audit(call: Call) -> Response:
    """Whoever is bound to namespaces sees the entries of those alone."""
    limit = number(call.request, "limit", default=DEFAULT, cap=CAP)
    wanted = Filter.of(call.request)
    found: list[AuditEntry] = []
    pages = call.services.store.audit.pages(
        namespace=wanted.only("namespace"), user_id=wanted.only("user_id")
    )
    for page in pages:
        found += [each for each in page if wanted.takes(each) and _sees(call, each)]
        if len(found) >= limit:
            break
        await asyncio.sleep(0)  # a long trail is not to hold up anybody else
    return await wire.answer_list(found[:limit], wire.audit)


def _sees(call: Call, entry: AuditEntry) -> bool:
    if not call.caller.token.namespaces:
        return True
    return entry.namespace is not None and call.caller.sees(entry.namespace)


ROUTES: tuple[Route, ...] = (
    Guarded(
        "GET",
        "/audit",
        list_audit,
        Doc(
            "Who did what, newest first",
            gives=wire.AuditShape,
            listed=True,
            query=("limit", *_KEYS),
        ),
        Scope.ADMIN,
    ),
)
