"""What happened to a deployment: as a list, or followed as it happens."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from itertools import takewhile
from typing import TYPE_CHECKING

from ring.api import streams, wire
from ring.api.queries import number, switch
from ring.api.routes.deployments import existing
from ring.api.routing import Doc, Guarded
from ring.core.access import Scope
from ring.core.model.events import Level
from ring.core.model.status import FINAL

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Sequence

    from starlette.responses import Response

    from ring.api.calls import Call, Services
    from ring.api.routing import Route
    from ring.core.model.deployment import Deployment
    from ring.core.model.events import Event
    from ring.core.model.ids import DeploymentId

_DEFAULT = 50
_CAP = 1000
"""A deployment has no more."""


@dataclass(frozen=True, slots=True)
class Question:
    """Whose events, and which."""

    services: Services
    deployment_id: DeploymentId
    level: str | None

    def newest(self, limit: int) -> tuple[Event, ...]:
        """Newest first; a level that does not exist has no events."""
        if self.level is not None and self.level not in set(Level):
            return ()
        level = None if self.level is None else Level(self.level)
        return self.services.store.events(self.deployment_id, level=level, limit=limit)


async def list_events(call: Call) -> Response:
    """Newest first; with `follow=true` oldest first, as server-sent events."""
    row = existing(call)
    limit = number(call.request, "limit", default=_DEFAULT, cap=_CAP)
    question = Question(call.services, row.id, call.request.query_params.get("level"))
    if switch(call.request, "follow"):
        store = call.services.store
        return streams.EventStream(
            _followed(question, limit),
            call.services.streams,
            call.caller.token.user.id,
            lambda: store.deployment(row.id),
        )
    return await wire.answer_list(question.newest(limit), wire.event)


async def _followed(question: Question, limit: int) -> AsyncGenerator[bytes, None]:
    """The last `limit`, then each new one, until the row is purged or nothing more will happen.

    What the row says of its last event is in memory, so a stream costs no query while it is quiet.
    """
    store = question.services.store
    last: str | None = None
    seen: object = None
    while (row := store.deployment(question.deployment_id)) is not None:
        state = (row.version, row.last_event_at)
        if state != seen:
            fresh = _since(last, question.newest(max(limit, 1) if seen is None else _CAP))
            last = fresh[0].id if fresh else last
            if seen is None:
                del fresh[limit:]
            for each in reversed(fresh):
                yield streams.message(wire.event(each))
            seen = state
        elif _is_over(question.services, row):
            return
        yield b""
        await asyncio.sleep(question.services.streams.poll_s)
    yield streams.END


def _since(last: str | None, newest: Sequence[Event]) -> list[Event]:
    """All of them if the last one seen is not among them any more."""
    return list(takewhile(lambda each: each.id != last, newest))


def _is_over(services: Services, row: Deployment) -> bool:
    return row.status in FINAL and not services.engine.instances(row.id)


ROUTES: tuple[Route, ...] = (
    Guarded(
        "GET",
        "/deployments/{id}/events",
        list_events,
        Doc(
            "What happened to a deployment",
            gives=wire.EventShape,
            listed=True,
            texts=("text/event-stream",),
            query=("level", "limit", "follow", "ticket"),
        ),
        Scope.DEPLOYMENTS_READ,
        ticket="deployment:events",
    ),
)
