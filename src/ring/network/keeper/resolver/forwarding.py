"""Queries that are not of the network, put to the host's servers one after the other."""

from __future__ import annotations

import asyncio
import secrets
import socket
import struct
from collections import Counter
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from ring.network.keeper.resolver import messages

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Container, Iterator

    from ring.network.keeper.resolver.messages import Query
    from ring.network.keeper.resolver.upstreams import Upstreams

    Exchange = Callable[[str, bytes, Query], Awaitable[bytes]]

ANSWER_S: Final = 5.0
"""Of one server; the next is asked after that."""
MOST_PENDING: Final = 1000
MOST_OF_ONE: Final = 100
"""Pending for one client, so that all the others are still served."""
MOST_OF_A_NETWORK: Final = 250
"""Pending for one network, whose clients may say that they are any of its addresses."""
_MOST_BYTES: Final = 65535


class Forwarder:
    """Each query goes out by a socket of its own, so its port is one of the kernel's choice, and
    only what the server itself sends comes in by it."""

    def __init__(self, upstreams: Upstreams, port: int, answer_s: float = ANSWER_S) -> None:
        self._upstreams = upstreams
        self._port = port
        self._answer_s = answer_s
        self._pending: Counter[str] = Counter()
        self._of_networks: Counter[str] = Counter()
        """By gateway."""
        self._total = 0

    @contextmanager
    def place(self, client: str, gateway: str) -> Iterator[bool]:
        """Whether there is room for one more query of this client, which then takes it.

        gateway: the address of the network's that it asks.
        """
        has_room = (
            self._total < MOST_PENDING
            and self._pending[client] < MOST_OF_ONE
            and self._of_networks[gateway] < MOST_OF_A_NETWORK
        )
        if not has_room:
            yield False
            return
        self._total += 1
        self._pending[client] += 1
        self._of_networks[gateway] += 1
        try:
            yield True
        finally:
            self._total -= 1
            for counter, key in ((self._pending, client), (self._of_networks, gateway)):
                counter[key] -= 1
                if not counter[key]:
                    del counter[key]

    async def by_udp(self, message: bytes, query: Query, own: Container[str]) -> bytes:
        """The answer for the client, be it that nobody knows. own: addresses not to be asked."""
        return await self._asked(message, query, own, self._udp)

    async def by_tcp(self, message: bytes, query: Query, own: Container[str]) -> bytes:
        """The answer for the client, be it that nobody knows. own: addresses not to be asked."""
        return await self._asked(message, query, own, self._tcp)

    async def _asked(
        self, message: bytes, query: Query, own: Container[str], exchange: Exchange
    ) -> bytes:
        last = None
        for server in self._upstreams.servers(own):
            asked = messages.with_id(message, secrets.randbits(16))
            answers = self._upstreams.answers(server)
            try:
                async with asyncio.timeout(self._answer_s):
                    reply = await exchange(server, asked, query)
            except OSError:  # a timeout is one
                self._upstreams.was_silent(server, answers)
                continue
            self._upstreams.answered(server)
            last = messages.with_id(reply, query.header.id)
            if not messages.is_passed_over(reply):
                break
        return last or messages.servfail(query)

    async def _udp(self, server: str, asked: bytes, query: Query) -> bytes:
        loop = asyncio.get_running_loop()
        with socket.socket(family(server), socket.SOCK_DGRAM) as outgoing:
            outgoing.setblocking(False)
            outgoing.connect((server, self._port))
            outgoing.send(asked)
            while True:
                reply = await loop.sock_recv(outgoing, _MOST_BYTES)
                if messages.answers(reply, asked, query.end):
                    return reply

    async def _tcp(self, server: str, asked: bytes, query: Query) -> bytes:
        reader, writer = await asyncio.open_connection(server, self._port)
        try:
            writer.write(struct.pack("!H", len(asked)) + asked)
            (length,) = struct.unpack("!H", await reader.readexactly(2))
            reply = await reader.readexactly(length)
        except asyncio.IncompleteReadError as error:
            raise ConnectionResetError("the server ended before its answer did") from error
        finally:
            writer.close()
        if not messages.answers(reply, asked, query.end):
            raise ConnectionAbortedError("not an answer to what was asked")
        return reply


def family(address: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in address else socket.AF_INET
