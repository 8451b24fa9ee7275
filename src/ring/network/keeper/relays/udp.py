"""UDP datagrams carried to an instance, and its answers back to whom they are for."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import time
from collections import OrderedDict
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from ring.network.keeper.relays.budget import Budget

    Client = tuple[tuple[str, int], bytes]
    """Its address, and which of the host's it spoke to."""

IDLE_S: Final = 90.0
_AT_ONCE: Final = 64
"""Datagrams taken before others have their turn."""
_MOST_BYTES: Final = 65535
_ANCILLARY_BYTES: Final = 64
_ANY_INTERFACE: Final = bytes(4)
_IP_PKTINFO: Final = 8
"""ip(7); the socket module has it from 3.12 on."""


class Sessions:
    """All clients of every port, those that were heard of last at the end."""

    def __init__(self, budget: Budget) -> None:
        self._most = max(1, budget.sessions)
        self._all: OrderedDict[tuple[UdpPort, Client], _Session] = OrderedDict()
        self._clients: dict[UdpPort, set[Client]] = {}
        """A port may be one of thousands that end together, and have none."""

    def __len__(self) -> int:
        return len(self._all)

    def of(self, port: UdpPort, client: Client, address: str, target: int) -> _Session:
        """Raises OSError."""
        key = (port, client)
        session = self._all.get(key)
        if session is None:
            session = _Session(self, port, client, address, target)
            while len(self._all) >= self._most:
                self._drop(*next(iter(self._all)))
            self._all[key] = session
            self._clients.setdefault(port, set()).add(client)
        return session

    def touch(self, port: UdpPort, client: Client) -> None:
        self._all.move_to_end((port, client))

    def end(self, port: UdpPort) -> None:
        """Those of this port."""
        for client in list(self._clients.get(port, ())):
            self._drop(port, client)

    def sweep(self) -> None:
        """Ends those that were silent for long."""
        oldest = time.monotonic() - IDLE_S
        while self._all:
            key, session = next(iter(self._all.items()))
            if session.moved_at >= oldest:
                return
            self._drop(*key)

    def _drop(self, port: UdpPort, client: Client) -> None:
        self._all.pop((port, client)).close()
        clients = self._clients[port]
        clients.remove(client)
        if not clients:
            del self._clients[port]


class _Session:
    """One client's; answers come in by a socket of its own."""

    def __init__(
        self, sessions: Sessions, port: UdpPort, client: Client, address: str, target: int
    ) -> None:
        self._sessions = sessions
        self._port = port
        self._client = client
        self._loop = asyncio.get_running_loop()
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        self._socket = socket.socket(family, socket.SOCK_DGRAM)
        try:
            self._socket.setblocking(False)
            self._socket.connect((address, target))
        except BaseException:
            self._socket.close()
            raise
        self._loop.add_reader(self._socket, self._receive)
        self.moved_at = time.monotonic()

    def send(self, data: bytes) -> None:
        """Lost where there is no room or nobody listens, as anywhere with UDP."""
        self._touch()
        with contextlib.suppress(OSError):
            self._socket.send(data)

    def close(self) -> None:
        self._loop.remove_reader(self._socket)
        self._socket.close()

    def _receive(self) -> None:
        for _ in range(_AT_ONCE):
            try:
                data = self._socket.recv(_MOST_BYTES)
            except OSError:  # nothing more, or that nobody listens there now
                return
            self._touch()
            self._port.answer(data, self._client)

    def _touch(self) -> None:
        self.moved_at = time.monotonic()
        self._sessions.touch(self._port, self._client)


class UdpPort:
    """One bound socket. Answers go out from the very address that the client spoke to."""

    def __init__(self, made: socket.socket, sessions: Sessions) -> None:
        self._socket = made
        self._sessions = sessions
        self._target = ("", 0)
        self._loop = asyncio.get_running_loop()
        if made.family == socket.AF_INET6:
            made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVPKTINFO, 1)
        else:
            made.setsockopt(socket.IPPROTO_IP, _IP_PKTINFO, 1)
        self._loop.add_reader(made, self._receive)

    def aim(self, address: str, port: int) -> None:
        if self._target != (address, port):
            self._sessions.end(self)
        self._target = (address, port)

    def close(self) -> None:
        self._sessions.end(self)
        self._loop.remove_reader(self._socket)
        self._socket.close()

    def answer(self, data: bytes, client: Client) -> None:
        address, own = client
        kind = (
            (socket.IPPROTO_IPV6, socket.IPV6_PKTINFO)
            if self._socket.family == socket.AF_INET6
            else (socket.IPPROTO_IP, _IP_PKTINFO)
        )
        with contextlib.suppress(OSError):
            self._socket.sendmsg([data], [(*kind, own)], 0, address)

    def _receive(self) -> None:
        for _ in range(_AT_ONCE):
            try:
                data, ancillary, _, address = self._socket.recvmsg(_MOST_BYTES, _ANCILLARY_BYTES)
            except OSError:
                return
            if not self._target[0]:
                continue
            with contextlib.suppress(OSError):
                session = self._sessions.of(self, (address, _own(ancillary)), *self._target)
                session.send(data)


def _own(ancillary: list[tuple[int, int, bytes]]) -> bytes:
    """Which of the host's addresses it came to, as what it takes to send from there; on whichever
    interface leads back."""
    for level, kind, data in ancillary:
        if (level, kind) == (socket.IPPROTO_IP, _IP_PKTINFO):
            return _ANY_INTERFACE + data[4:8] + bytes(4)
        if (level, kind) == (socket.IPPROTO_IPV6, socket.IPV6_PKTINFO):
            return data[:16] + _ANY_INTERFACE
    raise OSError("no word of where a datagram came to")
