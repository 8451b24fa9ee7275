"""Where engines that speak Docker's API differ from Docker, as data for the parts that care."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ring.core.model.capabilities import Capabilities
from ring.runtimes.ownership import NETWORK_PREFIX

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping
    from datetime import datetime

    from ring.core.model.ids import InstanceId
    from ring.runtimes.base import Order
    from ring.runtimes.docker.connection import Connection
    from ring.runtimes.docker.payload import Payload
    from ring.runtimes.shortcomings import Shortcoming

FOLLOWED = ("die", "start", "kill", "oom", "destroy", "pause", "unpause", "rename", "disconnect")
"""The events that tell something, in Docker's words."""
# Not by label: what happens to a network carries none.
EVENT_FILTERS = {"type": ["container", "network"], "event": list(FOLLOWED)}

CAPABILITIES = Capabilities(
    events=True,
    exit_codes=True,
    host_network=True,
    labels=True,
    cpu_stats=True,
    pull=True,
    ports=True,
    resources=True,
    command=True,
    exec=True,
    discovery=True,
    user=True,
)
"""But for the options, which the engine's host decides on as well."""


def _as_written(repository: str) -> tuple[str, ...]:
    return (repository,)


def _disconnected(message: Payload, attributes: Mapping[str, str]) -> str | None:
    if not attributes.get("name", "").startswith(NETWORK_PREFIX):
        return None
    return attributes.get("container")


def _as_content(path: str, content: str) -> str:
    return content


def _has_ended(command: Payload) -> bool:
    # One whose start is under way is not running yet, or has no process.
    return command.get("Running") is not True and command.get("ExitCode") is not None


@dataclass(frozen=True, slots=True)
class About:
    """What an engine says of itself and its host."""

    notices: tuple[str, ...] = ()
    """See ring.runtimes.base.Notices."""
    has_names: bool = True
    """Instances find each other by name."""


SOUND = About()


async def _sound(connection: Connection) -> About:
    return SOUND


@dataclass(frozen=True, slots=True)
class Completed:
    """A network that has what the engine does not give it, as far as it can have it."""

    shortcomings: tuple[Shortcoming, ...] = ()
    """What it lacks all the same."""
    bridge: str = ""
    """That Ring has to see to: whenever an instance begins, it may have been made anew."""


async def _complete(connection: Connection, network: str) -> Completed:
    return Completed()


async def _none(connection: Connection, digest: str) -> str | None:
    """It finds them by the digest itself."""
    return None


async def _is_served(connection: Connection, order: Order) -> None:
    """Its proxy sees to it."""


async def _are_free(connection: Connection, instance_id: InstanceId) -> None:
    """It lets nobody have them before."""


@dataclass(frozen=True, slots=True)
class Dialect:
    """One kind of engine. What is not given is as Docker has it."""

    name: str = "docker"
    capabilities: Capabilities = CAPABILITIES
    event_filters: Mapping[str, list[str]] = field(default_factory=lambda: EVENT_FILTERS)
    """What the engine is asked to tell."""
    event_words: Mapping[str, str] = field(default_factory=dict)
    """Its own words for events, and Docker's."""
    code_attributes: tuple[str, ...] = ("exitCode",)
    """Where an event tells the exit code."""
    disconnected: Callable[[Payload, Mapping[str, str]], str | None] = _disconnected
    """Of a message about a network and its attributes: the container that was taken off one of
    Ring's, or off any where the engine does not tell which."""
    repositories: Callable[[str], tuple[str, ...]] = _as_written
    """What a repository may be called on the engine: the first is the one to pull."""
    network_options: Mapping[str, str] = field(default_factory=dict)
    since: Callable[[datetime], str] | None = None
    """How a time is written from which on events or logs are asked for; None: see events."""
    seccomp: Callable[[str, str], str] = _as_content
    """How it takes a profile, of which there are the path on its host and the content."""
    makes_sources: bool = False
    """Of binds that are missing, where Docker refuses them."""
    most_lines: int = sys.maxsize
    """Of a log's end that may be asked for."""
    nameless: Callable[[Connection, str], Awaitable[str | None]] = _none
    """The id of an image of this digest that has no name any more, where the engine finds none."""
    has_ended: Callable[[Payload], bool] = _has_ended
    """By what it tells of a command."""
    begins_late: bool = False
    """A command whose client is gone may begin after it was said to have ended."""
    require_served: Callable[[Connection, Order], Awaitable[None]] = _is_served
    """Raises RuntimeFailure where a port would be published and nobody reach the instance by it."""
    await_ports: Callable[[Connection, InstanceId], Awaitable[None]] = _are_free
    """Waits until what had the ports of an instance before has let go of them, for a while. Raises
    RuntimeFailure(PORT_IN_USE) where something that lives has one, Unavailable."""
    name_server: str = ""
    """The program that answers for names on the bridges of a rootless engine, and so is a process
    in their network."""
    completed: Callable[[Connection, str], Awaitable[Completed]] = _complete
    """Gives a network what the engine does not."""
    about: Callable[[Connection], Awaitable[About]] = _sound
    """Takes seconds; never raises."""


DOCKER = Dialect()
