"""Who has reached which port of which instance, put on record before it is reached.

A browser opens dozens of connections to one port, and somebody who looks for open ports thousands
to as many: the first ports that a user reaches have an entry each, and what follows in the same
while shares entries that grow. Each names every port; none is lost when the server is killed.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ring.core.port_sets import MOST_PORT, PortSet
from ring.store.audit import Target

if TYPE_CHECKING:
    from ring.clock import Clock
    from ring.store.audit import Audit, Written

WINDOW_S = 600.0
"""For so long all connections of one user to one port of an instance are on record once."""
SINGLE = 8
"""Ports of one instance that have an entry each meanwhile."""
LONGEST_CHARS = 1000
"""Of the ports in one entry: what is longer goes on in another one."""
_ACTION = "port_forward"


@dataclass(slots=True)
class _Window:
    """What one user has reached of one instance since a while."""

    since: float
    singles: int = 0
    recorded: bytearray = field(default_factory=lambda: bytearray(MOST_PORT + 1 + 7 >> 3))
    """A bit for each port."""
    entry: Written | None = None
    """The one that grows."""
    ports: PortSet = field(default_factory=PortSet)
    """What it names."""
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)

    def has(self, port: int) -> bool:
        return bool(self.recorded[port >> 3] & 1 << (port & 7))

    def put(self, port: int) -> None:
        self.recorded[port >> 3] |= 1 << (port & 7)


class Reached:
    """One for a server."""

    def __init__(self, audit: Audit, clock: Clock) -> None:
        self._audit = audit
        self._clock = clock
        self._windows: dict[tuple[str, str], _Window] = {}
        """By user and instance, the oldest first."""

    async def record(self, user_id: str, instance: str, namespace: str, port: int) -> None:
        """Before the port is reached. Raises HostError: then it is not to be."""
        window = self._window(user_id, instance)
        async with window.turn:
            if window.has(port):
                return
            if window.singles < SINGLE:
                target = Target("instance", f"{instance}: port {port}", namespace)
                await self._audit.record(user_id, _ACTION, target)
                window.singles += 1
            else:
                if len(str(window.ports)) > LONGEST_CHARS:
                    window.entry, window.ports = None, PortSet()
                window.ports.add(port)
                target = Target("instance", f"{instance}: ports {window.ports}", namespace)
                window.entry = await self._audit.put(window.entry, user_id, _ACTION, target)
            window.put(port)

    def _window(self, user_id: str, instance: str) -> _Window:
        now, known = self._clock.mono(), self._windows
        while known and now - known[oldest := next(iter(known))].since >= WINDOW_S:
            del known[oldest]
        return known.setdefault((user_id, instance), _Window(now))
