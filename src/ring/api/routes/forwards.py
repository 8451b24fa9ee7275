"""One connection to a port inside an instance, for a client that cannot reach it."""

from __future__ import annotations

import asyncio
import contextlib
from functools import partial
from typing import TYPE_CHECKING

from ring.api import handshake
from ring.api.problems import Problem
from ring.api.queries import number
from ring.api.routes.deployments import existing
from ring.api.routing import Doc, Guarded
from ring.api.upgraded import Upgraded
from ring.core import channels
from ring.core.access import Scope
from ring.core.channels import PIECE_BYTES, Garbled, Kind, told
from ring.core.port_sets import MOST_PORT
from ring.engine.entering import NoWayIn, Unanswered

if TYPE_CHECKING:
    from starlette.responses import Response

    from ring.api.calls import Call
    from ring.api.routing import Route
    from ring.api.websocket import WebSocket

_BEGIN_S = 10.0
_BROKEN = told(Kind.STATUS, error="the instance broke the connection off")


async def forward(call: Call) -> Response:
    """To `port` of the newest instance that is ready, or of the one that `instance` names."""
    row = existing(call)
    headers = dict(handshake.accepted(call.request, channels.PROTOCOL))
    port = number(call.request, "port", default=0, cap=MOST_PORT + 1)
    if not 1 <= port <= MOST_PORT:
        raise Problem(400, f"query parameter 'port' must be from 1 to {MOST_PORT}")
    entering, streams = call.services.engine.entering, call.services.streams
    user_id = call.caller.token.user.id
    streams.admit_channel(user_id)
    try:
        instance, running = entering.choose(row, call.request.query_params.get("instance", ""))
        reached, namespace = call.services.reached, row.spec.namespace
        await reached.record(user_id, instance.name, namespace, port)
        with streams.channelled(user_id):  # a port that does not answer takes its time
            reader, writer = await entering.connect(row, instance, port)
    except NoWayIn as error:
        raise Problem(409, error.message) from error
    except Unanswered as error:
        raise Problem(502, error.message) from error
    try:
        headers |= {channels.INSTANCE_HEADER: instance.name, channels.RUNNING_HEADER: str(running)}
        work = partial(_carry, reader, writer)
        return Upgraded(headers, work, streams, user_id, writer.transport.abort)
    except BaseException:
        writer.transport.abort()
        raise


async def _carry(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, socket: WebSocket
) -> bytes:
    """Until both ways have ended. The client has to begin, as on every channel."""
    try:
        async with asyncio.timeout(_BEGIN_S):
            first = await socket.receive()
        if first is None or channels.parse(first)[0] is not Kind.BEGIN:
            raise Garbled("the first message is not BEGIN")
        return await _both_ways(reader, writer, socket)
    except (Garbled, TimeoutError) as error:
        return told(Kind.STATUS, error=str(error) or f"nothing was said in {_BEGIN_S:g} s")


async def _both_ways(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, socket: WebSocket
) -> bytes:
    ended = asyncio.Event()
    there = asyncio.ensure_future(_there(writer, socket, ended))
    back = asyncio.ensure_future(_back(reader, socket, ended))
    try:
        await asyncio.wait({there, back}, return_when=asyncio.FIRST_COMPLETED)
        if there.done():
            there.result()
            return told(Kind.STATUS, error="the client is gone")
        back.result()
    except OSError:
        return _BROKEN
    finally:
        for task in (there, back):
            task.cancel()
        await asyncio.gather(there, back, return_exceptions=True)
    await _flushed(writer)
    return told(Kind.STATUS, code=0)


async def _there(writer: asyncio.StreamWriter, socket: WebSocket, ended: asyncio.Event) -> None:
    """What the client sends, until it is gone or says what is not in the protocol."""
    while (received := await socket.receive()) is not None:
        kind, content = channels.parse(received)
        if kind is Kind.INPUT and not ended.is_set():
            writer.write(content)
            await writer.drain()
        elif kind is Kind.END and not ended.is_set():
            writer.write_eof()
            ended.set()
        else:
            return


async def _back(reader: asyncio.StreamReader, socket: WebSocket, ended: asyncio.Event) -> None:
    """Returns once both ways have ended."""
    while content := await reader.read(PIECE_BYTES):
        await socket.send(channels.message(Kind.OUTPUT, content))
    await socket.send(channels.message(Kind.END))
    await ended.wait()


async def _flushed(writer: asyncio.StreamWriter) -> None:
    """What the client sent last is on its way."""
    with contextlib.suppress(OSError, TimeoutError):
        async with asyncio.timeout(_BEGIN_S):
            writer.close()
            await writer.wait_closed()


ROUTES: tuple[Route, ...] = (
    Guarded(
        "GET",
        "/deployments/{id}/port-forward",
        forward,
        Doc(
            "Connect to a port of an instance, over a WebSocket",
            statuses=(101,),
            query=("port", "instance"),
            refusals=(409, 426, 502),
        ),
        Scope.DEPLOYMENTS_FORWARD,
        is_timed=False,
    ),
)
