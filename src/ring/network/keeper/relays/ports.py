"""Who holds which published port, and the sockets for it."""

from __future__ import annotations

import asyncio
import errno
import logging
import socket
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from ring.network.keeper.problems import KeeperProblem, PortTaken
from ring.network.keeper.relays.budget import Sockets
from ring.network.keeper.relays.claims import V6, Claims, addresses
from ring.network.keeper.relays.tcp import Connections, TcpPort
from ring.network.keeper.relays.udp import Sessions, UdpPort
from ring.network.keeper.turns import Turns

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from ring.network.keeper.relays.budget import Budget
    from ring.network.keeper.relays.claims import Claim
    from ring.network.keeper.state import Relay

    Port = TcpPort | UdpPort

_NO_IPV6: Final = frozenset({errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL})
_BACKLOG: Final = 4096
"""The kernel takes no more than it is set to."""

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Held:
    relay: Relay
    ports: list[Port] = field(default_factory=list)
    """None: they could not be had when the keeper began, and are tried again."""
    made: list[socket.socket] = field(default_factory=list)
    """Bound, while others are: whoever comes waits."""
    problem: str = ""
    """Why that is."""

    def aim(self) -> None:
        for port in self.ports:
            port.aim(self.relay.address, self.relay.target)

    def close(self) -> None:
        for one in (*self.ports, *self.made):
            one.close()
        self.ports, self.made = [], []

    def tell(self, problem: str) -> None:
        """Once. Empty: there is none any more."""
        if problem and problem != self.problem:
            _log.warning("%s, tried again", problem)
        self.problem = problem


class Ports:
    """Of all holders. Every change is done when its method returns.

    Of thousands of ports that takes a second, so others have their turn meanwhile; whoever changes
    something sees to it that nobody else does.
    """

    def __init__(self, budget: Budget) -> None:
        self._connections = Connections(budget)
        self._sessions = Sessions(budget)
        self._sockets = Sockets(budget)
        self._held: dict[str, dict[Claim, _Held]] = {}
        self._claims = Claims()

    async def publish(self, holder: str, relays: Sequence[Relay]) -> None:
        """Instead of what the holder had, or no change at all. Raises PortTaken, OSError."""
        before = self._held.get(holder, {})
        await self._expect_free(holder, relays)
        after: dict[Claim, _Held] = {}
        turns = Turns()
        for relay in relays:
            known = before.get(_claim(relay))
            after[_claim(relay)] = _Held(relay, [*known.ports] if known else [])
            await turns.passed()
        had = self._sockets.take(holder, _most_sockets(after))
        await _close([held for claim, held in before.items() if claim not in after])
        wanted = [held for held in after.values() if not held.ports]
        try:
            await self._open(wanted)
        except (PortTaken, OSError):
            await _close(wanted)
            self._sockets.put_back(holder, had)
            await self._open_again(holder)
            raise
        for held in after.values():
            held.aim()
        await self._have(holder, after)

    async def restore(self, holder: str, relays: Sequence[Relay]) -> None:
        """What cannot be had now is tried again by `retry`."""
        await self._have(holder, {_claim(relay): _Held(relay) for relay in relays})
        await self._open_again(holder)

    async def unpublish(self, holder: str) -> None:
        await _close(self._held.get(holder, {}).values())
        await self._have(holder, {})
        self._sockets.put_back(holder, 0)

    async def retry(self) -> None:
        for holder in self._held:
            await self._open_again(holder)
            await asyncio.sleep(0)

    def sweep(self) -> None:
        """Ends connections and sessions that are of no use any more."""
        self._connections.sweep()
        self._sessions.sweep()

    @property
    def is_carrying(self) -> bool:
        """There are connections, be it of ports that are not held any more."""
        return len(self._connections) > 0

    async def let_go(self) -> None:
        """Of every port; the connections go on."""
        for holder in list(self._held):
            await self.unpublish(holder)

    async def close(self) -> None:
        await self.let_go()
        await self._connections.close()

    async def _have(self, holder: str, after: dict[Claim, _Held]) -> None:
        """Instead of what the holder had. Opens and closes nothing."""
        turns = Turns()
        for claim in self._held.pop(holder, {}):
            self._claims.drop(holder, [claim])
            await turns.passed()
        for claim in after:
            self._claims.add(holder, [claim])
            await turns.passed()
        if after:
            self._held[holder] = after

    async def _expect_free(self, holder: str, relays: Sequence[Relay]) -> None:
        """Of Ring's own, also where those wait for theirs. Raises PortTaken."""
        own, turns = Claims(), Turns()
        for relay in relays:
            claim = _claim(relay)
            taken = self._claims.holder_of(claim, besides=holder) or own.holder_of(claim)
            if taken is not None:
                raise PortTaken(relay.published, relay.protocol, taken)
            own.add(holder, [claim])
            await turns.passed()

    async def _open(self, wanted: Sequence[_Held]) -> None:
        """Every one, and nobody is let in before the last is there. Raises PortTaken, OSError, and
        leaves to be closed what was opened by then."""
        turns = Turns()
        for held in wanted:
            held.made = _all_bound(held.relay)
            await turns.passed()
        for held in wanted:
            self._let_in(held)
            await turns.passed()

    def _let_in(self, held: _Held) -> None:
        """Raises OSError."""
        while held.made:
            held.ports.append(self._port(held.made[-1]))
            held.made.pop()
        held.aim()

    async def _open_again(self, holder: str) -> None:
        """What is not open, as far as that can be; what cannot is logged once."""
        claims = self._held.get(holder, {})
        waiting = [held for held in claims.values() if not held.ports]
        if not waiting:
            return
        try:
            self._sockets.take(holder, _most_sockets(claims))
        except KeeperProblem as error:
            waiting[0].tell(f"{holder}: {error}")
            return
        turns = Turns()
        for held in waiting:
            problem = ""
            try:
                held.made = _all_bound(held.relay)
                self._let_in(held)
            except (PortTaken, OSError) as error:
                held.close()
                problem = str(error)
            held.tell(problem)
            await turns.passed()

    def _port(self, made: socket.socket) -> Port:
        if made.type == socket.SOCK_DGRAM:
            return UdpPort(made, self._sessions)
        return TcpPort(made, self._connections)


async def _close(several: Iterable[_Held]) -> None:
    turns = Turns()
    for held in several:
        held.close()
        await turns.passed()


def _claim(relay: Relay) -> Claim:
    return relay.host_ip, relay.published, relay.protocol


def _most_sockets(claims: Iterable[Claim]) -> int:
    return sum(len(addresses(host_ip)) for host_ip, _, _ in claims)


def _all_bound(relay: Relay) -> list[socket.socket]:
    """Raises PortTaken, OSError."""
    made: list[socket.socket] = []
    try:
        for address in addresses(relay.host_ip):
            one = _bound(relay, address)
            made.extend([] if one is None else [one])
    except BaseException:
        for one in made:
            one.close()
        raise
    return made


def _bound(relay: Relay, address: str) -> socket.socket | None:
    """None: every address is meant, and the host has none of this family. Raises PortTaken,
    OSError."""
    is_any_v6 = relay.host_ip is None and address == V6
    kind = socket.SOCK_STREAM if relay.protocol == "tcp" else socket.SOCK_DGRAM
    try:
        return _made(kind, address, relay.published)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise PortTaken(relay.published, relay.protocol) from error
        if is_any_v6 and error.errno in _NO_IPV6:
            return None
        what = f"cannot have {address} port {relay.published}/{relay.protocol}: {error.strerror}"
        raise OSError(error.errno, what) from error


def _made(kind: socket.SocketKind, address: str, port: int) -> socket.socket:
    """Raises OSError."""
    made = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, kind)
    try:
        made.setblocking(False)
        if made.family == socket.AF_INET6:
            made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        if kind == socket.SOCK_STREAM:
            # Connections of before do not stand in the way; whoever listens does.
            made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind((address, port))
        if kind == socket.SOCK_STREAM:
            made.listen(_BACKLOG)
    except BaseException:
        made.close()
        raise
    return made
