"""What belongs to this server and to nothing any more: listed, and removed on request.

It is the whole node's, so a token that is bound to namespaces sees and removes none of it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ring.api import bodies, wire
from ring.api.paging import QUERY, page
from ring.api.routes.images import away
from ring.api.routing import Doc, Guarded
from ring.core.access import Scope
from ring.runtimes.base import RuntimeFailure
from ring.store.store import Author

if TYPE_CHECKING:
    from starlette.responses import Response

    from ring.api.calls import Call
    from ring.api.routing import Route
    from ring.core.orphans import Orphan


async def list_orphans(call: Call) -> Response:
    call.caller.expect_unbound()
    try:
        found = await call.services.engine.orphans.listed()
    except (RuntimeFailure, TimeoutError) as error:
        raise away(error) from error
    orphans, headers = page(call.request, found, _key)
    return await wire.answer_list(orphans, wire.orphan, headers)


def _key(orphan: Orphan) -> tuple[str, ...]:
    return str(orphan.kind), orphan.name, orphan.id


async def remove_orphans(call: Call) -> Response:
    """As many as there is time for. What is not an orphan any more is left out."""
    call.caller.expect_unbound()
    body = wire.parse(await bodies.read(call.request), wire.OrphanRemovalBody)
    author = Author(call.caller.token.user.id, may_create_namespace=False)
    wanted = None if body.ids is None else frozenset(body.ids)
    try:
        cleared = await call.services.engine.orphans.remove(wanted, author)
    except (RuntimeFailure, TimeoutError) as error:
        raise away(error) from error
    return wire.answer(wire.orphans_removed(cleared))


ROUTES: tuple[Route, ...] = (
    Guarded(
        "GET",
        "/node/orphans",
        list_orphans,
        Doc(
            "What belongs to this server and to nothing any more",
            gives=wire.OrphanShape,
            listed=True,
            query=QUERY,
        ),
        Scope.ADMIN,
        is_timed=False,
    ),
    Guarded(
        "POST",
        "/node/orphans/remove",
        remove_orphans,
        Doc(
            "Remove what belongs to this server and to nothing any more",
            takes=wire.OrphanRemovalBody,
            gives=wire.OrphansRemovedShape,
        ),
        Scope.ADMIN,
        is_timed=False,
    ),
)
