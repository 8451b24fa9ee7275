"""One probe of one instance: a declared check becomes a result and a sentence about it.

Knows nothing of schedules, counters and rows of results: whoever calls it does.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, assert_never

from ring.core.model.quantities import QuantityError, parse_duration
from ring.core.model.spec import CommandCheck, HttpCheck, TcpCheck
from ring.engine.probing import command, output, tcp
from ring.engine.probing.http import Requests, port_at_instance
from ring.engine.probing.probed import LATE, Probed, failed
from ring.engine.ways import Way, way
from ring.runtimes.base import Gone, RuntimeFailure

if TYPE_CHECKING:
    from ring.core.model.deployment import Deployment
    from ring.core.model.ids import DeploymentId
    from ring.core.model.observed import Instance
    from ring.core.model.spec import HealthCheck
    from ring.engine.probing.output import Mounted
    from ring.runtimes.base import Runtime
    from ring.runtimes.registry import Registry

__all__ = ["Probed", "Probes"]

log = logging.getLogger(__name__)

HOST_ADDRESS = "127.0.0.1"
"""Of an instance on the host's network, which has no address of its own."""


class Probes:
    """Runs probes: any number at a time, none of which waits for another."""

    def __init__(self, runtimes: Registry, mounted: Mounted) -> None:
        """mounted: tells the secrets that no message may contain."""
        self._runtimes = runtimes
        self._mounted = mounted
        self._requests = Requests()
        self._warned: set[DeploymentId] = set()
        """Rows of which it was told that a timeout is no duration."""

    async def close(self) -> None:
        """No probe may run any more."""
        await self._requests.close()

    async def run(self, row: Deployment, instance: Instance, check: HealthCheck) -> Probed:
        """Takes at most the check's own timeout. Raises nothing but CancelledError."""
        try:
            timeout_s = parse_duration(check.timeout) / 1000
        except QuantityError as error:
            if row.id not in self._warned:
                self._warned.add(row.id)
                log.warning("a health check of %s has no valid timeout: %s", row.id, error.message)
            return failed(f"Invalid timeout duration: {error.message}")
        try:
            return await self._probe(row, instance, check, timeout_s)
        except TimeoutError:
            return LATE
        except Exception as error:
            # A defect in one probe must not end the schedule of all others.
            log.exception("a probe of instance %s of %s broke", instance.name, row.id)
            return failed(f"Failed to run the check: internal error: {type(error).__name__}")

    async def _probe(
        self, row: Deployment, instance: Instance, check: HealthCheck, timeout_s: float
    ) -> Probed:
        runtime = self._runtimes.get(row.spec.runtime)
        if runtime is None:
            return failed(f"Failed to run the check: no runtime '{row.spec.runtime}'")
        if isinstance(check, CommandCheck):
            # The runtime itself keeps the time: it ends what it has begun.
            done = await command.run(runtime, instance.id, check.command, timeout_s)
            if isinstance(done, Probed):
                return done
            said = ""
            if done.code != 0:
                said = await output.told(runtime, row, instance, done.output, self._mounted)
            return command.judged(done, said)
        async with asyncio.timeout(timeout_s):
            return await self._connected(runtime, row, instance, check)

    async def _connected(
        self, runtime: Runtime, row: Deployment, instance: Instance, check: TcpCheck | HttpCheck
    ) -> Probed:
        on_host = row.spec.network_mode == "host"
        address = await _address(runtime, instance, on_host=on_host)
        if address is None:
            return failed(f"Could not resolve instance address for {instance.id}")
        try:
            by = await _way(runtime, row, instance, address, check)
        except (Gone, RuntimeFailure) as error:
            return failed(f"Could not reach instance {instance.name}: {error.message}")
        match check:
            case TcpCheck():
                return await tcp.probe(by or Way(address, check.port))
            case HttpCheck():
                return await self._requests.probe(None if on_host else address, check.url, by)
            case _ as never:
                assert_never(never)


async def _way(
    runtime: Runtime,
    row: Deployment,
    instance: Instance,
    address: str,
    check: TcpCheck | HttpCheck,
) -> Way | None:
    """None: this machine's own, or the check does not mean the instance."""
    port = check.port if isinstance(check, TcpCheck) else port_at_instance(check.url)
    if row.spec.network_mode == "host" or port is None:
        return None
    return await way(runtime, row.spec, instance.id, address, port)


async def _address(runtime: Runtime, instance: Instance, *, on_host: bool) -> str | None:
    """None: it has none that is known."""
    if on_host:
        # A remote engine's host is not this machine.
        return None if runtime.is_remote else HOST_ADDRESS
    if instance.address is not None:
        return instance.address
    try:
        return (await runtime.inspect(instance.id)).address
    except (Gone, RuntimeFailure):
        return None
