"""A command inside an instance, with the client at its other end.

The request carries no word of the command: those who log requests are not to see it. It comes as
the first message.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from functools import partial
from typing import TYPE_CHECKING

from ring.api import handshake, wire
from ring.api.problems import Problem
from ring.api.routes.deployments import existing
from ring.api.routing import Doc, Guarded
from ring.api.upgraded import Upgraded
from ring.core import channels
from ring.core.access import Scope
from ring.core.channels import Garbled, Kind, told
from ring.core.errors import HostError
from ring.core.model.commands import Size
from ring.engine.entering import NoWayIn
from ring.runtimes.base import Gone, RuntimeFailure
from ring.store.audit import Target

if TYPE_CHECKING:
    from starlette.responses import Response

    from ring.api.calls import Call
    from ring.api.routing import Route
    from ring.api.websocket import WebSocket
    from ring.core.model.commands import Command
    from ring.core.model.deployment import Deployment
    from ring.core.model.observed import Instance
    from ring.runtimes.base import Session

_BEGIN_S = 10.0
"""For the client to say what is to be run."""
_GONE = told(Kind.STATUS, error="the client is gone")

_log = logging.getLogger("ring.api")


async def run_command(call: Call) -> Response:
    """In the newest instance that is ready, or in the one that `instance` names."""
    row = existing(call)
    headers = dict(handshake.accepted(call.request, channels.PROTOCOL))
    try:
        instance, running = call.services.engine.entering.choose(
            row, call.request.query_params.get("instance", "")
        )
    except NoWayIn as error:
        raise Problem(409, error.message) from error
    headers |= {channels.INSTANCE_HEADER: instance.name, channels.RUNNING_HEADER: str(running)}
    work = partial(_run, call, row, instance)
    return Upgraded(headers, work, call.services.streams, call.caller.token.user.id)


async def _run(call: Call, row: Deployment, instance: Instance, socket: WebSocket) -> bytes:
    """The last message: how it ended, or why it was not run."""
    try:
        command = await _asked(socket)
    except (Garbled, Problem, TimeoutError) as error:
        return told(Kind.STATUS, error=str(error) or f"nothing was asked for in {_BEGIN_S:g} s")
    if command is None:
        return _GONE
    target = Target("instance", f"{instance.name}: {command.program}", row.spec.namespace)
    try:
        await call.services.store.audit.record(call.caller.token.user.id, "exec", target)
    except HostError as error:
        _log.error("a command was not run, for it could not be recorded: %s", error.message)
        return told(Kind.STATUS, error="the server cannot record it in its audit trail")
    try:
        async with call.services.engine.entering.session(row, instance, command) as session:
            code = await _served(session, socket)
    except Gone:
        return told(Kind.STATUS, error=f"instance {instance.name} is gone")
    except (NoWayIn, RuntimeFailure) as error:
        return told(Kind.STATUS, error=error.message)
    return _GONE if code is None else told(Kind.STATUS, code=code)


async def _asked(socket: WebSocket) -> Command | None:
    """None: the client is gone. Raises Garbled, Problem, TimeoutError."""
    async with asyncio.timeout(_BEGIN_S):
        first = await socket.receive()
    if first is None:
        return None
    kind, content = channels.parse(first)
    if kind is not Kind.BEGIN:
        raise Garbled("the first message does not say what is to be run")
    return wire.parse(content, wire.CommandBody).command()


async def _served(session: Session, socket: WebSocket) -> int | None:
    """Until the command ends; None: the client went first."""
    taking = asyncio.ensure_future(_take(session, socket))
    giving = asyncio.ensure_future(_give(session, socket))
    try:
        await asyncio.wait({taking, giving}, return_when=asyncio.FIRST_COMPLETED)
        if giving.done():
            with contextlib.suppress(ConnectionError):
                return giving.result()
            return None
        taking.result()
        return None
    finally:
        for task in (taking, giving):
            task.cancel()
        await asyncio.gather(taking, giving, return_exceptions=True)


async def _take(session: Session, socket: WebSocket) -> None:
    """What the client sends, until it is gone or says what is not in the protocol."""
    while (received := await socket.receive()) is not None:
        try:
            kind, content = channels.parse(received)
            size = wire.parse(content, wire.SizeBody) if kind is Kind.SIZE else None
        except (Garbled, Problem):
            return
        match kind:
            case Kind.INPUT:
                await session.write(content)
            case Kind.END:
                await session.end_input()
            case Kind.SIZE if size is not None:
                await session.resize(Size(size.rows, size.columns))
            case _:
                return


async def _give(session: Session, socket: WebSocket) -> int:
    """What the command writes, and its code."""
    while (piece := await session.read()) is not None:
        kind = Kind.OUTPUT if piece.stream == "stdout" else Kind.ERRORS
        await socket.send(channels.message(kind, piece.content))
    return await session.code()


ROUTES: tuple[Route, ...] = (
    Guarded(
        "GET",
        "/deployments/{id}/exec",
        run_command,
        Doc(
            "Run a command in an instance, over a WebSocket",
            statuses=(101,),
            query=("instance",),
            refusals=(409, 426),
        ),
        Scope.DEPLOYMENTS_EXEC,
        is_timed=False,
    ),
)
