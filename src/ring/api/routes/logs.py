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
from ring.core.errors import UserError
from ring.core.logs import parse_since
from ring.core.model.ids import DeploymentId
from ring.engine.reading.logs import Wanted
from ring.runtimes.base import RuntimeFailure

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Iterable

    from ring.api.calls import Call, Services
    from ring.core.model.logs import LogRecord
    from ring.engine.reading.logs import Follower

_TAIL = 100
_CAP = 999_999_999
_WHOLE_BYTES = 1024 * 1024
"""An answer so long is sent while it is read; only a shorter one can still become an error."""
_TICK_S = 1.0


async def list_logs(call: Call) -> Response:
    """Instance after instance; with `follow=true` interleaved, as server-sent events."""
    wanted = _wanted(call)
    is_following = switch(call.request, "follow")
    row = call.services.store.deployment(DeploymentId(call.params["id"]))
    if row is None:  # its last lines may have been asked for: that is no mistake
        return wire.answer([])
    call.caller.enter(row.spec.namespace)
    logs = call.services.engine.logs
    if is_following:
        source = _followed(call.services, row.id, logs.follow(row, wanted))
        store = call.services.store
        return streams.EventStream(source, call.services.streams, lambda: store.deployment(row.id))
    return await _listed(logs.read(row, wanted))


def _wanted(call: Call) -> Wanted:
    params = call.request.query_params
    since = params.get("since")
    try:
        moment = None if since is None else parse_since(since, call.services.clock.wall())
    except UserError as error:
        raise Problem(400, f"query parameter 'since': {error.message}") from error
    tail = number(call.request, "tail", default=_TAIL, cap=_CAP)
    return Wanted(tail, moment, params.get("container", ""))


async def _listed(records: AsyncGenerator[LogRecord, None]) -> Response:
    first: list[bytes] = []
    length = 0
    async with contextlib.AsyncExitStack() as stack:
        stack.push_async_callback(records.aclose)
        try:
            async for record in records:
                first.append(_entry(record))
                length += len(first[-1])
                if length > _WHOLE_BYTES:
                    stack.pop_all()
                    return streams.Streamed(_array(first, records), wire.JSON)
        except RuntimeFailure as error:
            raise Problem(500, error.message) from error
    return Response(b"[" + b",".join(first) + b"]", headers=wire.JSON)


async def _array(
    first: Iterable[bytes], records: AsyncGenerator[LogRecord, None]
) -> AsyncGenerator[bytes, None]:
    """A list that goes on; one that breaks off lacks its end."""
    async with contextlib.aclosing(records):
        yield b"[" + b",".join(first)
        async for record in records:
            yield b"," + _entry(record)
        yield b"]"


def _entry(record: LogRecord) -> bytes:
    text = json.dumps(wire.log(record), separators=(",", ":"), ensure_ascii=False)
    return text.encode(errors="replace")


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
        yield b"".join(streams.message(wire.log(record)) for record in records)
