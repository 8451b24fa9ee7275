"""What Podman's Docker-compatible API does another way than Docker's."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from ring.core.model.images import HUB, normalised
from ring.runtimes.docker import payload
from ring.runtimes.docker.dialect import CAPABILITIES, Dialect
from ring.runtimes.podman.digests import nameless
from ring.runtimes.podman.information import about
from ring.runtimes.podman.networks import completed
from ring.runtimes.podman.publishing import await_ports, require_served

if TYPE_CHECKING:
    from collections.abc import Mapping

_MICROSECOND = timedelta(microseconds=1)
LOCAL = "localhost"
"""The registry under which Podman keeps what was built here."""


def repositories(written: str) -> tuple[str, ...]:
    """Always fully qualified: what a short name means is nothing for the engine to decide."""
    full = normalised(written)
    is_short = full in {f"{HUB}/{written}", f"{HUB}/library/{written}"}
    return (full, f"{LOCAL}/{written}") if is_short else (full,)


def disconnected(message: payload.Payload, attributes: Mapping[str, str]) -> str | None:
    """It tells the container, by the name of the actor, and not the network."""
    if message.get("Action") != "disconnect":
        return None
    return payload.text(payload.section(message, "Actor"), "ID")


def since(moment: datetime) -> str:
    """A nanosecond earlier: Podman tells what is later. Numbers of seconds it would round."""
    return f"{(moment - _MICROSECOND).astimezone(UTC):%Y-%m-%dT%H:%M:%S.%f}999Z"


def has_ended(command: payload.Payload) -> bool:
    """One that has not begun yet has an exit code, too: 0."""
    return command.get("CanRemove") is True


PODMAN = Dialect(
    name="podman",
    capabilities=replace(CAPABILITIES, lasting_events=True, userns=True),
    # What else comes is left out here: the engine refuses filters for words it does not know.
    event_filters={"type": ["container", "network"]},
    event_words={"died": "die", "remove": "destroy"},
    code_attributes=("exitCode", "containerExitCode"),
    disconnected=disconnected,
    since=since,
    makes_sources=True,
    seccomp=lambda path, content: path,
    most_lines=1_000_000,  # it makes room for so many before it reads any
    repositories=repositories,
    # By itself it lets its bridges reach each other.
    network_options={"isolate": "true"},
    nameless=nameless,
    has_ended=has_ended,
    begins_late=True,
    require_served=require_served,
    await_ports=await_ports,
    name_server="aardvark-dns",
    completed=completed,
    about=about,
)
