"""The way into a running instance: which one, and what somebody does there."""

from __future__ import annotations

import asyncio
import os
import socket
from typing import TYPE_CHECKING

from ring.core.errors import RingError
from ring.core.model.observed import State
from ring.core.plan.gate import checks_of
from ring.engine.ways import way
from ring.runtimes.base import Gone, RuntimeFailure, Sessions

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from contextlib import AbstractAsyncContextManager

    from ring.core.model.commands import Command
    from ring.core.model.deployment import Deployment
    from ring.core.model.health import CheckState
    from ring.core.model.ids import DeploymentId, GroupKey, InstanceId
    from ring.core.model.observed import Instance
    from ring.engine.reading.logs import Watched
    from ring.engine.ways import Way
    from ring.runtimes.base import Session
    from ring.runtimes.registry import Registry

    States = Callable[[GroupKey], Mapping[InstanceId, Mapping[int, CheckState]]]

CONNECT_S = 5.0
_NAMED = 5
"""Instances in one sentence."""


class NoWayIn(RingError):
    """There is no instance that can be entered as asked."""


class Unanswered(RingError):
    """Nobody answers where somebody is to be reached."""


class Entering:
    """Into the instances of all runtimes."""

    def __init__(
        self, runtimes: Registry, observers: Mapping[str, Watched], states: States
    ) -> None:
        """states: of the health checks of a group."""
        self._runtimes = runtimes
        self._observers = observers
        self._states = states

    def choose(self, row: Deployment, wanted: str = "") -> tuple[Instance, int]:
        """The newest instance that is ready, else the newest that runs, and of how many that do.

        wanted: only one whose name has this, or whose id begins with it. Raises NoWayIn.
        """
        held = self._instances(row.id, row)
        running = [one for one in held if one.state is State.RUNNING]
        found = [one for one in running if _is_meant(one, wanted)]
        if not found:
            raise NoWayIn(_refusal(row, wanted, held, running))
        exact = [one for one in found if wanted and wanted in {one.name, one.id}]
        chosen = max(exact or found, key=lambda one: (self._is_ready(row, one), one.created_at))
        return chosen, len(running)

    def session(
        self, row: Deployment, instance: Instance, command: Command
    ) -> AbstractAsyncContextManager[Session]:
        """See ring.runtimes.base.Sessions. Raises NoWayIn."""
        runtime = self._runtimes.get(row.spec.runtime)
        if runtime is None or not isinstance(runtime, Sessions):
            raise NoWayIn(f"the runtime {row.spec.runtime} cannot run commands in its instances")
        return runtime.session(instance.id, command)

    async def connect(
        self, row: Deployment, instance: Instance, port: int
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """To a port inside. Raises NoWayIn, and Unanswered where nobody listens."""
        runtime = self._runtimes.get(row.spec.runtime)
        if row.spec.network_mode == "host":
            # What listens there may be anybody's.
            raise NoWayIn("it is on the host's network: its ports are the host's own")
        if runtime is None or runtime.is_remote:
            raise NoWayIn("its runtime is on another host, where this server reaches no instance")
        if instance.address is None:
            raise NoWayIn(f"instance {instance.name} has no address on its namespace's network")
        where = f"port {port} of instance {instance.name}"
        try:
            async with asyncio.timeout(CONNECT_S):
                by = await way(
                    runtime, row.spec, instance.id, instance.address, port, only_named=True
                )
                return await _nearby(by)
        except (Gone, RuntimeFailure) as error:
            raise NoWayIn(f"{where} cannot be reached: {error.message}") from error
        except TimeoutError as error:
            raise Unanswered(f"{where} does not answer within {CONNECT_S:g} s") from error
        except ConnectionRefusedError as error:
            raise Unanswered(f"nothing listens on {where}") from error
        except OSError as error:
            reason = os.strerror(error.errno) if error.errno and error.errno > 0 else str(error)
            raise Unanswered(f"{where} cannot be reached: {reason}") from error

    def _instances(self, row_id: DeploymentId, row: Deployment) -> tuple[Instance, ...]:
        observer = self._observers.get(row.spec.runtime)
        return observer.instances(row_id) if observer is not None else ()

    def _is_ready(self, row: Deployment, instance: Instance) -> bool:
        states = self._states(row.key).get(instance.id, {})
        return all(
            (state := states.get(index)) is not None and state.ready_since is not None
            for index in checks_of(row.spec)
        )


async def _nearby(by: Way) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Over a network of this machine, or the instance's own, and no router. The address of an
    instance whose network is not this machine's may elsewhere be somebody else's. Raises OSError.
    """
    family = socket.AF_INET6 if ":" in by.address else socket.AF_INET
    link = by.socket or socket.socket(family, socket.SOCK_STREAM)
    try:
        link.setblocking(False)
        link.setsockopt(socket.SOL_SOCKET, socket.SO_DONTROUTE, 1)
        # An instance may go without a word, and nobody have anything to say to it.
        link.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        await asyncio.get_running_loop().sock_connect(link, (by.address, by.port))
        return await asyncio.open_connection(sock=link)
    except BaseException:
        link.close()
        raise


def _is_meant(instance: Instance, wanted: str) -> bool:
    return wanted in instance.name or instance.id.startswith(wanted)


def _refusal(
    row: Deployment, wanted: str, held: tuple[Instance, ...], running: list[Instance]
) -> str:
    name = f"{row.spec.namespace}/{row.spec.name}"
    if not running:
        states = ", ".join(sorted({one.state for one in held}))
        has = f"its instances are: {states}" if held else "it has none"
        return f"no instance of {name} runs ({has}); its status is {row.status}"
    named = ", ".join(one.name for one in running[:_NAMED])
    more = f" and {len(running) - _NAMED} more" if len(running) > _NAMED else ""
    return f"no instance of {name} that runs is called '{wanted}'; there are: {named}{more}"
