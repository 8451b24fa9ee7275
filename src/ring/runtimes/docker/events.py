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
from ring.runtimes.docker import payload
from ring.runtimes.docker.dialect import DOCKER, FOLLOWED

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Mapping

    from ring.runtimes.base import RuntimeEvent
    from ring.runtimes.docker.connection import Connection
    from ring.runtimes.docker.dialect import Dialect

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_CODE = re.compile(r"-?[0-9]{1,10}")
_SIGNAL = re.compile(r"[A-Z0-9+]{1,20}")


async def follow(
    connection: Connection, since: datetime | None, dialect: Dialect = DOCKER
) -> AsyncGenerator[RuntimeEvent, None]:
    """Events from `since` on, replayed by the engine; ends by raising Unavailable.

    The engine keeps a few hundred events only: who was away for long must list again.
    """
    query = {"filters": json.dumps(dict(dialect.event_filters))}
    if since is not None:
        query["since"] = since_of(since, dialect)
    async with connection.stream("GET", "/events", query=query, idle_s=None) as stream:
        if stream.status != HTTPStatus.OK:
            refusal = await stream.rest()
            raise connection.unavailable(f"it refuses to tell events: {refusal.message}")
        async with contextlib.aclosing(stream.lines()) as lines:
            async for line in lines:
                if (event := read(line, dialect)) is not None:
                    yield event
    raise connection.unavailable("it ended its event stream")


def since_of(moment: datetime, dialect: Dialect) -> str:
    """A moment that is included, as the engine takes it."""
    return dialect.since(moment) if dialect.since else since_text(moment)


def since_text(moment: datetime) -> str:
    """Seconds and nanoseconds since 1970, exactly."""
    delta = moment - _EPOCH
    return f"{delta.days * 86400 + delta.seconds}.{delta.microseconds * 1000:09d}"


def read(line: bytes, dialect: Dialect = DOCKER) -> RuntimeEvent | None:
    """One line of the stream; a Resync where it tells too little to act on. Never raises.

    None: what it is about is none of Ring's.
    """
    try:
        return _read(payload.as_payload(payload.decode(line)), dialect)
    except (Unavailable, ValueError, OverflowError, TypeError, KeyError) as error:
        return Resync(f"an event could not be read: {error}")


def _read(message: payload.Payload, dialect: Dialect) -> RuntimeEvent | None:
    actor = payload.section(message, "Actor")
    attributes = payload.labels(actor, "Attributes")
    if message.get("Type") == "network":
        return _network(message, attributes, dialect)
    instance_id = InstanceId(payload.text(actor, "ID"))
    if labels.DEPLOYMENT not in attributes:
        return None
    who = (
        instance_id,
        InstanceName(payload.text(attributes, "name")),
        DeploymentId(payload.text(attributes, labels.DEPLOYMENT)),
        _at(message),
    )
    told = payload.text(message, "Action")
    action = dialect.event_words.get(told, told)
    if action not in FOLLOWED:
        return None
    match action:
        case "die":
            return Died(*who, _code(attributes, dialect), certain=False)
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


def _network(
    message: payload.Payload, attributes: Mapping[str, str], dialect: Dialect
) -> RuntimeEvent | None:
    """Only what is taken off one of Ring's networks matters."""
    container = dialect.disconnected(message, attributes)
    if container is None:
        return None
    return Detached(InstanceId(container), _at(message))


def _at(message: payload.Payload) -> datetime:
    return _EPOCH + timedelta(microseconds=payload.number(message, "timeNano") // 1000)


# The engine writes the labels of container and image over what it tells itself, except for the
# name: any `exitCode` or `signal` may be somebody's label.
def _code(attributes: Mapping[str, str], dialect: Dialect) -> int | None:
    told = (attributes.get(name, "") for name in dialect.code_attributes)
    return next((int(code) for code in told if _CODE.fullmatch(code)), None)


def _signal(sent: str) -> str:
    """`SIGTERM` for the `15` that engines tell; `?` for what is no signal."""
    if not _SIGNAL.fullmatch(sent):
        return "?"
    if sent.isdecimal():
        with contextlib.suppress(ValueError):
            return signal.Signals(int(sent)).name
    return sent
