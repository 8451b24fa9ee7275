"""The sockets of the resolver: UDP and TCP on the gateways of each network."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import struct
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from ring.network.keeper.listening import Listening
from ring.network.keeper.resolver import messages
from ring.network.keeper.resolver.forwarding import Forwarder, family
from ring.network.keeper.resolver.messages import Malformed
from ring.network.keeper.resolver.tables import Table

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from ring.network.keeper.state import Zone

IDLE_S: Final = 10.0
"""Until a client by TCP that asks nothing is let go."""
MOST_CLIENTS: Final = 200
MOST_OF_A_NETWORK: Final = 60
MOST_OF_ONE: Final = 20
"""By TCP, in all, for one gateway and for one address: a crowded network leaves room for others."""
_AT_ONCE: Final = 64
"""Messages taken before others have their turn."""
_MOST_BYTES: Final = 65535
_FREE_BIND: Final = {
    socket.AF_INET: (socket.IPPROTO_IP, 15),
    socket.AF_INET6: (socket.IPPROTO_IPV6, 78),
}
"""IP_FREEBIND, IPV6_FREEBIND: the bridge, and its address with it, may come later."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Common:
    """What all gateways share."""

    forwarder: Forwarder
    port: int
    own: Callable[[], set[str]]
    clients: Counter[str] = field(default_factory=Counter)
    """By TCP, by their address."""


class Resolver:
    """Of all networks."""

    def __init__(self, forwarder: Forwarder, port: int) -> None:
        self._places: dict[str, dict[str, _Place]] = {}
        self._common = _Common(forwarder, port, self._own)

    def keep(self, network: str, zone: Zone) -> str:
        """Answers by it. What went wrong, empty: nothing; `retry` tries that again. Raises
        ValueError for what is no zone."""
        table = Table(zone)
        places = self._places.setdefault(network, {})
        for gateway in [one for one in places if one not in zone.gateways]:
            places.pop(gateway).close()
        for gateway in zone.gateways:
            if (known := places.get(gateway)) is not None:
                known.table = table
            else:
                places[gateway] = _Place(self._common, gateway, table)
        return "; ".join(filter(None, (place.open() for place in places.values())))

    def drop(self, network: str) -> None:
        for place in self._places.pop(network, {}).values():
            place.close()

    def retry(self) -> None:
        for places in self._places.values():
            for place in places.values():
                place.open()

    def close(self) -> None:
        for network in list(self._places):
            self.drop(network)

    def _own(self) -> set[str]:
        """Every address it answers on."""
        return {gateway for places in self._places.values() for gateway in places}


class _Place:
    """One gateway of one network."""

    def __init__(self, common: _Common, gateway: str, table: Table) -> None:
        self._common = common
        self._gateway = gateway
        self.table = table
        self._loop = asyncio.get_running_loop()
        self._datagrams: socket.socket | None = None
        self._listening: Listening | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._connected = 0
        """Clients by TCP."""
        self._problem = ""

    def open(self) -> str:
        """What is not open yet; what went wrong, which is logged once."""
        problem = ""
        try:
            if self._datagrams is None:
                self._datagrams = self._bound(socket.SOCK_DGRAM)
                self._loop.add_reader(self._datagrams, self._receive, self._datagrams)
            if self._listening is None:
                self._listening = Listening(self._bound(socket.SOCK_STREAM), self._accept)
        except OSError as error:
            problem = f"cannot answer on {self._gateway} port {self._common.port}: {error.strerror}"
            if problem != self._problem:
                _log.warning("%s", problem)
        self._problem = problem
        return problem

    def close(self) -> None:
        if self._datagrams is not None:
            self._loop.remove_reader(self._datagrams)
            self._datagrams.close()
        if self._listening is not None:
            self._listening.close()
        for task in self._tasks:
            task.cancel()

    def _bound(self, kind: socket.SocketKind) -> socket.socket:
        """Raises OSError."""
        made = socket.socket(family(self._gateway), kind)
        try:
            made.setblocking(False)
            made.setsockopt(*_FREE_BIND[made.family], 1)
            if made.family == socket.AF_INET6:
                made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            if kind == socket.SOCK_STREAM:
                made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            made.bind((self._gateway, self._common.port))
            if kind == socket.SOCK_STREAM:
                made.listen()
        except BaseException:
            made.close()
            raise
        return made

    def _receive(self, made: socket.socket) -> None:
        for _ in range(_AT_ONCE):
            try:
                message, client = made.recvfrom(_MOST_BYTES)
            except OSError:  # nothing more, or that an answer before could not be delivered
                return
            self._take(made, message, client)

    def _take(self, made: socket.socket, message: bytes, client: tuple[str, int]) -> None:
        try:
            query = messages.parse(message)
        except Malformed as malformed:
            if malformed.answer is not None:
                _send(made, malformed.answer, client)
            return
        if not self.table.admits(client[0]):
            _send(made, messages.refused(query), client)
        elif (known := self.table.answer(query, query.room)) is not None:
            _send(made, known, client)
        else:
            self._start(self._forward(made, message, query, client))

    async def _forward(
        self, made: socket.socket, message: bytes, query: messages.Query, client: tuple[str, int]
    ) -> None:
        forwarder = self._common.forwarder
        with forwarder.place(client[0], self._gateway) as has_room:
            if has_room:
                _send(made, await forwarder.by_udp(message, query, self._common.own()), client)

    def _accept(self, connection: socket.socket, client: str) -> None:
        clients = self._common.clients
        is_welcome = (
            clients.total() < MOST_CLIENTS
            and self._connected < MOST_OF_A_NETWORK
            and clients[client] < MOST_OF_ONE
        )
        if not is_welcome or not self.table.admits(client):
            connection.close()
            return
        clients[client] += 1
        self._connected += 1
        self._start(self._serve(connection, client)).add_done_callback(
            lambda _: self._let_go(connection, client)
        )

    def _let_go(self, connection: socket.socket, client: str) -> None:
        connection.close()
        self._connected -= 1
        clients = self._common.clients
        clients[client] -= 1
        if not clients[client]:
            del clients[client]

    async def _serve(self, connection: socket.socket, client: str) -> None:
        reader, writer = await asyncio.open_connection(sock=connection)
        try:
            with contextlib.suppress(OSError, asyncio.IncompleteReadError):
                await self._converse(reader, writer, client)
        finally:
            writer.close()

    async def _converse(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, client: str
    ) -> None:
        """Until it asks no more, which a timeout ends as an OSError."""
        while True:
            async with asyncio.timeout(IDLE_S):
                (length,) = struct.unpack("!H", await reader.readexactly(2))
                message = await reader.readexactly(length)
            answer = await self._answered(message, client)
            if answer is None:
                return
            writer.write(struct.pack("!H", len(answer)) + answer)
            async with asyncio.timeout(IDLE_S):
                await writer.drain()

    async def _answered(self, message: bytes, client: str) -> bytes | None:
        try:
            query = messages.parse(message)
        except Malformed as malformed:
            return malformed.answer
        known = self.table.answer(query, _MOST_BYTES)
        if known is not None:
            return known
        forwarder = self._common.forwarder
        with forwarder.place(client, self._gateway) as has_room:
            if has_room:
                return await forwarder.by_tcp(message, query, self._common.own())
            return messages.servfail(query)

    def _start(self, work: Coroutine[None, None, None]) -> asyncio.Task[None]:
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task


def _send(made: socket.socket, answer: bytes, client: tuple[str, int]) -> None:
    """A client that cannot be reached asks again, or not."""
    with contextlib.suppress(OSError):
        made.sendto(answer, client)
