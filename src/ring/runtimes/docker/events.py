"""The engine's event stream, as what happened to Ring's instances."""

from __future__ import annotations

import contextlib
import json
import signal
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import TYPE_CHECKING

from ring.core.model.ids import DeploymentId, InstanceId, InstanceName
from ring.runtimes.base import (
    CameUp,
    Destroyed,
    Died,
    OutOfMemory,
    Resync,
    Signalled,
    Unavailable,
)
from ring.runtimes.docker import mapping, payload

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Mapping

    from ring.runtimes.base import RuntimeEvent
    from ring.runtimes.docker.connection import Connection

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_FILTERS = {
    "type": ["container"],
    "event": ["die", "start", "kill", "oom", "destroy", "pause", "unpause"],
    "label": [mapping.DEPLOYMENT_LABEL],
}


async def follow(
    connection: Connection, since: datetime | None
) -> AsyncGenerator[RuntimeEvent, None]:
    """Events from `since` on, replayed by the engine; ends by raising Unavailable.

    The engine keeps a few hundred events only: who was away for long must list again.
    """
    query = {"filters": json.dumps(_FILTERS)}
    if since is not None:
        query["since"] = since_text(since)
    async with connection.stream("GET", "/events", query=query, idle_s=None) as stream:
        if stream.status != HTTPStatus.OK:
            refusal = await stream.rest()
            raise connection.unavailable(f"it refuses to tell events: {refusal.message}")
        async with contextlib.aclosing(stream.lines()) as lines:
            async for line in lines:
                yield read(line)
    raise connection.unavailable("it ended its event stream")


def since_text(moment: datetime) -> str:
    """Seconds and nanoseconds since 1970, exactly."""
    delta = moment - _EPOCH
    return f"{delta.days * 86400 + delta.seconds}.{delta.microseconds * 1000:09d}"


def read(line: bytes) -> RuntimeEvent:
    """One line of the stream; a Resync where it tells too little to act on."""
    try:
        return _read(payload.as_payload(payload.decode(line)))
    except Unavailable as error:
        return Resync(f"an event could not be read: {error.message}")


def _read(message: payload.Payload) -> RuntimeEvent:
    actor = payload.section(message, "Actor")
    attributes = payload.labels(actor, "Attributes")
    instance_id = InstanceId(payload.text(actor, "ID"))
    name = InstanceName(payload.text(attributes, "name"))
    deployment_id = DeploymentId(payload.text(attributes, mapping.DEPLOYMENT_LABEL))
    at = _EPOCH + timedelta(microseconds=payload.number(message, "timeNano") // 1000)
    match payload.text(message, "Action"):
        case "die":
            return Died(instance_id, name, deployment_id, at, _code(attributes))
        case "start" | "unpause":
            return CameUp(instance_id, name, deployment_id, at)
        case "kill":
            sent = _signal(attributes.get("signal", ""))
            return Signalled(instance_id, name, deployment_id, at, sent)
        case "oom":
            return OutOfMemory(instance_id, name, deployment_id, at)
        case "destroy":
            return Destroyed(instance_id, name, deployment_id, at)
        case action:
            return Resync(f"instance {name}: {action}")


def _code(attributes: Mapping[str, str]) -> int | None:
    code = attributes.get("exitCode", "")
    return int(code) if code.isdecimal() else None


def _signal(sent: str) -> str:
    """`SIGTERM` for the `15` that engines tell."""
    if sent.isdecimal():
        with contextlib.suppress(ValueError):
            return signal.Signals(int(sent)).name
    return sent
