"""The keeper at work: it begins with what its files say, does what it is asked, and ends itself."""

from __future__ import annotations

import asyncio
import logging
import signal
import time
from typing import TYPE_CHECKING, Final

from ring.network.keeper.control import Control
from ring.network.keeper.identity import identity
from ring.network.keeper.relays.budget import of_this_process
from ring.network.keeper.relays.ports import Ports
from ring.network.keeper.resolver.forwarding import Forwarder
from ring.network.keeper.resolver.serving import Resolver
from ring.network.keeper.resolver.upstreams import Upstreams
from ring.network.keeper.state import RELAYS, ZONES, State, checked, relays_from, zone_from

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from ring.network.keeper.options import Options

    Request = Mapping[str, object]

TICK_S: Final = 1.0
"""Between looks for what could not be had yet, for idle sessions, and whether it is to end."""

_log = logging.getLogger(__name__)


class Keeping:
    """Of one directory, whose lock is held."""

    def __init__(self, directory: Path, options: Options) -> None:
        self._directory = directory
        self._options = options
        self._state = State(directory)
        self._ports = Ports(of_this_process())
        forwarder = Forwarder(Upstreams(options.host_servers), options.dns_port)
        self._resolver = Resolver(forwarder, options.dns_port)
        self._control = Control(
            {
                "hello": self._hello,
                "leave": self._leave,
                "publish": self._publish,
                "unpublish": self._unpublish,
                "zone": self._zone,
                "forget": self._forget,
            }
        )
        self._networks: set[str] = set()
        self._holders: set[str] = set()
        self._used_at = time.monotonic()
        self._is_leaving = asyncio.Event()
        self._is_over = asyncio.Event()

    async def run(self, ready: Callable[[], None], let_go: Callable[[], None]) -> None:
        """Until it is to end. ready: it can be asked; let_go: of the lock. Raises OSError."""
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGTERM, self._end)
        self._place = self._sign()
        await self._restore()
        await self._control.open(self._directory)
        ready()
        while not self._is_leaving.is_set():
            await _until(self._is_leaving)
            await self._tick()
        async with self._control.turn:
            self._control.close(self._directory)
            await self._ports.let_go()
        self._resolver.close()
        let_go()
        while self._ports.is_carrying and not self._is_over.is_set():
            await _until(self._is_over)
            self._ports.sweep()
            self._look_for_directory()
        await self._ports.close()

    async def _restore(self) -> None:
        self._state.prepare()
        for network, zone in self._state.zones().items():
            try:
                self._resolver.keep(network, zone)
            except ValueError as error:
                _log.warning("the zone of %s is left out: %s", network, error)
                continue
            self._networks.add(network)
        for holder, relays in (await self._state.relays()).items():
            await self._ports.restore(holder, relays)
            self._holders.add(holder)

    async def _tick(self) -> None:
        async with self._control.turn:
            await self._ports.retry()
        self._ports.sweep()
        self._resolver.retry()
        self._look_for_directory()
        now = time.monotonic()
        if self._networks or self._holders or self._control.clients:
            self._used_at = now
        elif now - self._used_at >= self._options.linger_s:
            self._is_leaving.set()

    def _look_for_directory(self) -> None:
        if self._sign() != self._place:
            self._end()

    def _sign(self) -> tuple[int, int] | None:
        try:
            found = self._directory.stat()
        except OSError:
            return None
        return found.st_dev, found.st_ino

    def _end(self) -> None:
        """Without waiting for connections."""
        self._is_over.set()
        self._is_leaving.set()

    async def _hello(self, _: Request) -> Request:
        return {"identity": identity(self._options.version)}

    async def _leave(self, _: Request) -> None:
        """For another keeper: it lets go of everything, and ends with the last connection."""
        self._is_leaving.set()

    async def _publish(self, request: Request) -> None:
        holder, relays = _name(request, "holder"), await relays_from(request.get("relays"))
        if not relays:
            await self._unpublish(request)
            return
        await self._ports.publish(holder, relays)
        self._holders.add(holder)
        try:
            await self._state.keep_relays(holder, relays)
        except OSError:
            await self._unpublish(request)
            raise

    async def _unpublish(self, request: Request) -> None:
        holder = _name(request, "holder")
        await self._ports.unpublish(holder)
        self._holders.discard(holder)
        self._state.drop(RELAYS, holder)

    async def _zone(self, request: Request) -> Request:
        network, zone = _name(request, "network"), zone_from(request.get("zone"))
        problem = self._resolver.keep(network, zone)
        self._networks.add(network)
        self._state.keep_zone(network, zone)
        return {"problem": problem} if problem else {}

    async def _forget(self, request: Request) -> None:
        network = _name(request, "network")
        self._resolver.drop(network)
        self._networks.discard(network)
        self._state.drop(ZONES, network)


def _name(request: Request, key: str) -> str:
    """Raises ValueError."""
    return checked(str(request.get(key)))


async def _until(event: asyncio.Event) -> None:
    """Or until the next tick."""
    try:
        async with asyncio.timeout(TICK_S):
            await event.wait()
    except TimeoutError:
        return
