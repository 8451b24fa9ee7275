"""What a deployment's instances wrote: as a list, or followed as it is written."""

from __future__ import annotations

import asyncio
import contextlib
import json
from typing import TYPE_CHECKING

from starlette.responses import Response

from ring.api import streams, wire
from ring.api.problems import Problem
from ring.api.queries import number, switch
from ring.api.routing import Doc, Guarded
from ring.core.access import Scope
from ring.core.errors import UserError
from ring.core.logs import parse_since
from ring.core.model.ids import DeploymentId
from ring.core.model.logs import LogGap
from ring.engine.reading.logs import Wanted
from ring.engine.reading.places import Crowded
from ring.runtimes.base import RuntimeFailure, Unavailable

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Sequence

    from ring.api.calls import Call, Services
    from ring.api.routing import Route
    from ring.core.model.deployment import Deployment
    from ring.core.model.logs import LogRecord
    from ring.engine.reading.logs import Follower

_TAIL = 100
_CAP = 999_999_999
_WHOLE_BYTES = 1024 * 1024
"""An answer so long is sent while it is read; only a shorter one can still become an error."""
_TICK_S = 1.0
_AWAY = "the runtime cannot be asked for logs now"
_REFUSED = "the runtime refuses to tell these logs; the server's log says why"
"""What an engine says of itself is not for whoever may read a deployment."""


async def list_logs(call: Call) -> Response:
    """Instance after instance; with `follow=true` interleaved, as server-sent events."""
    wanted = _wanted(call)
    is_following = switch(call.request, "follow")
    row = call.services.store.deployment(DeploymentId(call.params["id"]))
    if row is None:  # its last lines may have been asked for: that is no mistake
        return wire.answer([])
    call.caller.enter(row.spec.namespace)
    try:
        if is_following:
            return _stream(call, row, wanted)
        return await _listed(call, row, wanted)
    except Crowded as error:
        raise streams.busy(error.message) from error


def _stream(call: Call, row: Deployment, wanted: Wanted) -> Response:
    services, holder = call.services, call.caller.token.user.id
    follower = services.engine.logs.follow(row, wanted, holder=holder)
    stream = streams.EventStream(
        _followed(services, row.id, follower),
        services.streams,
        holder,
        lambda: services.store.deployment(row.id),
    )
    stream.holding(follower.places)
    return stream


def _wanted(call: Call) -> Wanted:
    params = call.request.query_params
    since = params.get("since")
    try:
        moment = None if since is None else parse_since(since, call.services.clock.wall())
    except UserError as error:
        raise Problem(400, f"query parameter 'since': {error.message}") from error
    tail = number(call.request, "tail", default=_TAIL, cap=_CAP)
    return Wanted(tail, moment, params.get("container", ""))


async def _listed(call: Call, row: Deployment, wanted: Wanted) -> Response:
    holder = call.caller.token.user.id
    records = call.services.engine.logs.read(row, wanted, holder=holder)
    first: list[bytes] = []
    length = 0
    async with contextlib.AsyncExitStack() as stack:
        stack.push_async_callback(records.aclose)
        try:
            async for batch in records:
                first.append(_entries(batch))
                length += len(first[-1])
                if length > _WHOLE_BYTES:
                    rest = _array(first, records)
                    answer = streams.Streamed(rest, wire.JSON, call.services.streams, holder)
                    stack.pop_all()
                    return answer
        except Unavailable as error:
            raise Problem(500, _AWAY) from error
        except RuntimeFailure as error:
            raise Problem(500, _REFUSED) from error
    return Response(b"[" + b",".join(first) + b"]", headers=wire.JSON)


async def _array(
    first: Iterable[bytes], records: AsyncGenerator[Sequence[LogRecord], None]
) -> AsyncGenerator[bytes, None]:
    """A list that goes on; one that breaks off lacks its end."""
    async with contextlib.aclosing(records):
        yield b"[" + b",".join(first)
        with contextlib.suppress(RuntimeFailure):  # whoever reads has logged it
            async for batch in records:
                yield b"," + _entries(batch)
            yield b"]"


def _entries(batch: Iterable[LogRecord]) -> bytes:
    return ",".join(map(wire.log, batch)).encode(errors="replace")


async def _followed(
    services: Services, deployment_id: DeploymentId, follower: Follower
) -> AsyncGenerator[bytes, None]:
    """Until nothing more will come; the last word is that the row is purged, if it is."""
    async with follower:
        async for piece in _pieces(follower):
            yield piece
    if services.store.deployment(deployment_id) is None:
        yield streams.END


async def _pieces(follower: Follower) -> AsyncIterator[bytes]:
    while True:
        try:
            async with asyncio.timeout(_TICK_S):
                records = await follower.batch()
        except TimeoutError:
            yield b""
            continue
        if not records:
            return
        yield "".join(map(_message, records)).encode(errors="replace")


def _message(record: LogRecord | LogGap) -> str:
    """A line as plain data; anything else as an event that has a name."""
    if isinstance(record, LogGap):
        return f"event: gap\ndata: {json.dumps(wire.log_gap(record), separators=(',', ':'))}\n\n"
    return f"data: {wire.log(record)}\n\n"


ROUTES: tuple[Route, ...] = (
    Guarded(
        "GET",
        "/deployments/{id}/logs",
        list_logs,
        Doc(
            "What the instances of a deployment wrote",
            gives=wire.LogShape,
            listed=True,
            texts=("text/event-stream",),
            query=("tail", "since", "container", "follow", "ticket"),
        ),
        Scope.DEPLOYMENTS_READ,
        is_timed=False,
        ticket="deployment:logs",
    ),
)
