"""Images of the engines: which there are, and removing those that nobody needs.

They are the whole node's, so a token that is bound to namespaces sees and removes none.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from ring.api import bodies, wire
from ring.api.paging import QUERY, page
from ring.api.problems import Problem, invalid
from ring.api.routing import Doc, Guarded
from ring.core.access import Scope
from ring.core.model.quantities import QuantityError, parse_duration
from ring.core.violations import Violation
from ring.runtimes.base import RuntimeFailure
from ring.store.store import Author

if TYPE_CHECKING:
    from starlette.responses import Response

    from ring.api.calls import Call
    from ring.api.routing import Route
    from ring.core.keeping import Judged

_log = logging.getLogger(__name__)


async def list_images(call: Call) -> Response:
    """Of every engine, whoever brought them; by their names."""
    call.caller.expect_unbound()
    try:
        found = await call.services.engine.images.listed()
    except (RuntimeFailure, TimeoutError) as error:
        raise away(error) from error
    images, headers = page(call.request, found, _key)
    return await wire.answer_list(images, wire.image, headers)


def _key(image: Judged) -> tuple[str, ...]:
    return image.shown, image.runtime, image.image.id


async def prune_images(call: Call) -> Response:
    """Removes what nobody needs; as many as there is time for."""
    call.caller.expect_unbound()
    body = wire.parse(await bodies.read(call.request), wire.ImagePruneBody)
    images = call.services.engine.images
    older_than_s = images.policy.min_age_s
    if body.older_than is not None:
        older_than_s = _seconds(body.older_than)
    user = call.caller.token.user
    try:
        pruned = await images.prune(
            older_than_s,
            even_if_kept=body.all,
            dry_run=body.dry_run,
            author=Author(user.id, may_create_namespace=False),
        )
    except (RuntimeFailure, TimeoutError) as error:
        raise away(error) from error
    return wire.answer(wire.pruned_images(pruned, dry_run=body.dry_run))


def away(error: Exception) -> Problem:
    """An engine that does not answer."""
    why = str(error) or "it does not answer in time"
    return Problem(503, f"an engine cannot be asked: {why}", headers={"Retry-After": "5"})


def _seconds(text: str) -> float:
    try:
        return parse_duration(text) / 1000
    except QuantityError as error:
        found = Violation("older_than", "image.older_than.invalid", error.message)
        raise invalid([found]) from error


ROUTES: tuple[Route, ...] = (
    Guarded(
        "GET",
        "/images",
        list_images,
        Doc(
            "List the images of the engines, and who needs them",
            gives=wire.ImageShape,
            listed=True,
            query=QUERY,
        ),
        Scope.ADMIN,
        is_timed=False,
    ),
    Guarded(
        "POST",
        "/images/prune",
        prune_images,
        Doc(
            "Remove images that Ring has pulled and nobody needs",
            takes=wire.ImagePruneBody,
            gives=wire.PrunedImagesShape,
        ),
        Scope.ADMIN,
        is_timed=False,
    ),
)
