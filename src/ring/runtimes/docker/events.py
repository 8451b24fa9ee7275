"""The engine's event stream, as what happened to Ring's instances."""

from __future__ import annotations

import contextlib
import json
import re
import signal
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import TYPE_CHECKING

from ring.core.model import labels
from ring.core.model.ids import DeploymentId, InstanceId, InstanceName
from ring.runtimes.base import (
    CameUp,
    Destroyed,
    Detached,
    Died,
    OutOfMemory,
    Paused,
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
_CODE = re.compile(r"-?[0-9]{1,10}")
_SIGNAL = re.compile(r"[A-Z0-9+]{1,20}")
# Not by label: what happens to a network carries none.
_FILTERS = {
    "type": ["container", "network"],
    "event": [
        "die",
        "start",
        "kill",
        "oom",
        "destroy",
        "pause",
        "unpause",
        "rename",
        "disconnect",
    ],
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
                if (event := read(line)) is not None:
                    yield event
    raise connection.unavailable("it ended its event stream")


def since_text(moment: datetime) -> str:
    """Seconds and nanoseconds since 1970, exactly."""
    delta = moment - _EPOCH
    return f"{delta.days * 86400 + delta.seconds}.{delta.microseconds * 1000:09d}"


def read(line: bytes) -> RuntimeEvent | None:
    """One line of the stream; a Resync where it tells too little to act on. Never raises.

    None: what it is about is none of Ring's.
    """
    try:
        return _read(payload.as_payload(payload.decode(line)))
    except (Unavailable, ValueError, OverflowError, TypeError, KeyError) as error:
        return Resync(f"an event could not be read: {error}")


def _read(message: payload.Payload) -> RuntimeEvent | None:
    actor = payload.section(message, "Actor")
    attributes = payload.labels(actor, "Attributes")
    if message.get("Type") == "network":
        return _network(message, attributes)
    instance_id = InstanceId(payload.text(actor, "ID"))
    if labels.DEPLOYMENT not in attributes:
        return None
    who = (
        instance_id,
        InstanceName(payload.text(attributes, "name")),
        DeploymentId(payload.text(attributes, labels.DEPLOYMENT)),
        _at(message),
    )
    action = payload.text(message, "Action")
    match action:
        case "die":
            return Died(*who, _code(attributes), certain=False)
        case "kill":
            return Signalled(*who, _signal(attributes.get("signal", "")))
    plain = _PLAIN.get(action)
    return Resync(f"instance {who[1]}: {action}") if plain is None else plain(*who)


_PLAIN: Mapping[str, type[CameUp | Paused | OutOfMemory | Destroyed]] = {
    "start": CameUp,
    "unpause": CameUp,
    "pause": Paused,
    "oom": OutOfMemory,
    "destroy": Destroyed,
}


def _network(message: payload.Payload, attributes: Mapping[str, str]) -> RuntimeEvent | None:
    """Only what is taken off one of Ring's networks matters."""
    container = attributes.get("container")
    if container is None or not attributes.get("name", "").startswith(mapping.NETWORK_PREFIX):
        return None
    return Detached(InstanceId(container), _at(message))


def _at(message: payload.Payload) -> datetime:
    return _EPOCH + timedelta(microseconds=payload.number(message, "timeNano") // 1000)


# The engine writes the labels of container and image over what it tells itself, except for the
# name: any `exitCode` or `signal` may be somebody's label.
def _code(attributes: Mapping[str, str]) -> int | None:
    code = attributes.get("exitCode", "")
    return int(code) if _CODE.fullmatch(code) else None


def _signal(sent: str) -> str:
    """`SIGTERM` for the `15` that engines tell; `?` for what is no signal."""
    if not _SIGNAL.fullmatch(sent):
        return "?"
    if sent.isdecimal():
        with contextlib.suppress(ValueError):
            return signal.Signals(int(sent)).name
    return sent
