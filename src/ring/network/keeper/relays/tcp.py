"""TCP connections carried to an instance and back, each direction until its own end."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
import time
from typing import TYPE_CHECKING, Final

from ring.network.keeper.listening import Listening

if TYPE_CHECKING:
    from ring.network.keeper.relays.budget import Budget

CONNECT_S: Final = 10.0
HALF_OPEN_S: Final = 600.0
"""How long a connection lasts that has ended in one direction and carries nothing in the other:
whether its client is still there shows only when it is written to."""
_KEPT_ALIVE: Final = (
    (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
    (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 60),
    (socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 15),
    (socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 4),
)
_RESET: Final = struct.pack("ii", 1, 0)
"""SO_LINGER: what is closed now is seen to have failed, not to have ended."""


class Connections:
    """All that are carried, of every port; they outlive the port."""

    def __init__(self, budget: Budget) -> None:
        self._most = budget.connections
        self._tasks: set[asyncio.Task[None]] = set()
        self._pairs: set[_Pair] = set()

    def __len__(self) -> int:
        return len(self._tasks)

    def carry(self, connection: socket.socket, address: str, port: int) -> None:
        """Takes it over. Without an address or room it is reset."""
        if not address or len(self._tasks) >= self._most:
            _reset(connection)
            return
        task = asyncio.get_running_loop().create_task(self._carry(connection, address, port))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def sweep(self) -> None:
        """Ends those that are half open for nothing."""
        oldest = time.monotonic() - HALF_OPEN_S
        for pair in list(self._pairs):
            if pair.is_half_open and pair.moved_at < oldest:
                pair.reset()

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _carry(self, connection: socket.socket, address: str, port: int) -> None:
        loop = asyncio.get_running_loop()
        pair = _Pair()
        try:
            async with asyncio.timeout(CONNECT_S):
                await loop.create_connection(lambda: pair.inner, address, port)
            _keep_alive(connection)
            await loop.connect_accepted_socket(lambda: pair.outer, connection)
        except OSError:
            pair.reset()
            _reset(connection)
            return
        except asyncio.CancelledError:
            pair.reset()
            connection.close()
            raise
        self._pairs.add(pair)
        try:
            await pair.ended.wait()
        finally:
            self._pairs.discard(pair)
            pair.reset()


class TcpPort:
    """One listening socket."""

    def __init__(self, made: socket.socket, connections: Connections) -> None:
        self._connections = connections
        self._target = ("", 0)
        self._listening = Listening(made, self._take)

    def aim(self, address: str, port: int) -> None:
        """For the connections from now on."""
        self._target = (address, port)

    def close(self) -> None:
        self._listening.close()

    def _take(self, connection: socket.socket, _: str) -> None:
        self._connections.carry(connection, *self._target)


class _Pair:
    """The two ends of a connection that is carried."""

    def __init__(self) -> None:
        self.ended = asyncio.Event()
        self.moved_at = time.monotonic()
        self.inner = _End(self)
        """Towards the instance."""
        self.outer = _End(self)
        self.inner.other, self.outer.other = self.outer, self.inner

    @property
    def is_half_open(self) -> bool:
        return self.inner.is_finished or self.outer.is_finished

    def reset(self) -> None:
        """Both, unless they have ended already."""
        self.inner.reset()
        self.outer.reset()


class _End(asyncio.Protocol):
    """Hands on what it reads, no faster than the other end can write it."""

    other: _End

    def __init__(self, pair: _Pair) -> None:
        self._pair = pair
        self._transport: asyncio.Transport | None = None
        self._is_lost = False
        self.is_finished = False
        """It will read nothing more."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - asyncio's own promise
        self._transport = transport
        if self.other._transport is None:  # noqa: SLF001 - of its own class
            transport.pause_reading()
            _keep_alive(transport.get_extra_info("socket"))
        else:
            self.other.read_on()

    def read_on(self) -> None:
        """What it reads can be written again."""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.resume_reading()

    def data_received(self, data: bytes) -> None:
        self._pair.moved_at = time.monotonic()
        self.other.write(data)

    def write(self, data: bytes) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(data)

    def eof_received(self) -> bool:
        """Its direction ends, the other goes on."""
        self._pair.moved_at = time.monotonic()
        self.is_finished = True
        self.other.finish()
        if self.other.is_finished:
            self.close()
            self.other.close()
        return True

    def finish(self) -> None:
        """Nothing more is written to it."""
        if self._transport is not None and not self._transport.is_closing():
            with contextlib.suppress(OSError):
                self._transport.write_eof()

    def pause_writing(self) -> None:
        self.other.stop_reading()

    def resume_writing(self) -> None:
        self.other.read_on()

    def stop_reading(self) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.pause_reading()

    def connection_lost(self, exc: Exception | None) -> None:
        self.is_finished = True
        if exc is not None:
            self.other.reset()
        else:
            self.other.close()
        self._is_lost = True
        if self.other._is_lost:  # noqa: SLF001 - of its own class
            self._pair.ended.set()

    def close(self) -> None:
        """Once what was written has gone out."""
        if self._transport is not None:
            self._transport.close()

    def reset(self) -> None:
        if self._transport is not None:
            _linger_not(self._transport.get_extra_info("socket"))
            self._transport.abort()


def _keep_alive(made: socket.socket) -> None:
    """An end that has vanished is noticed within two minutes."""
    for option in _KEPT_ALIVE:
        made.setsockopt(*option)


def _reset(made: socket.socket) -> None:
    _linger_not(made)
    made.close()


def _linger_not(made: socket.socket) -> None:
    with contextlib.suppress(OSError):
        made.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
