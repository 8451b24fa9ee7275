"""The keeper's socket: requests of servers, a line each, and their answers.

`<number> <word> <arguments>` is answered with `<number> ok <more>` or `<number> no <why>`, in any
order. Only the keeper's own user and root are listened to.
"""

from __future__ import annotations

import os
import socket
import struct

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from ring.runtimes.containerd.logkeeper.hub import Hub

_CREDENTIALS = struct.Struct("3i")
_LONGEST_BYTES = 64 * 1024


class Control:
    def __init__(self, listener: socket.socket, hub: Hub, told: Callable[[Request], None]) -> None:
        self.clients: set[Client] = set()
        self._listener = listener
        self._hub = hub
        self._told = told
        hub.watch(listener.fileno(), self._accept)

    def _accept(self) -> None:
        try:
            connection, _ = self._listener.accept()
        except OSError:
            return
        connection.setblocking(False)
        raw = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
        if _CREDENTIALS.unpack(raw)[1] not in {0, os.geteuid()}:
            connection.close()
            return
        client = Client(connection, self._hub, self)
        self.clients.add(client)

    def tell(self, request: Request) -> None:
        self._told(request)


class Client:
    """One connection."""

    def __init__(self, connection: socket.socket, hub: Hub, control: Control) -> None:
        self._connection = connection
        self._hub = hub
        self._control = control
        self._rest = b""
        hub.watch(connection.fileno(), self._read)

    def send(self, line: str) -> None:
        try:
            self._connection.sendall(line.encode() + b"\n")
        except OSError:  # gone, or it takes no answers
            self.close()

    def close(self) -> None:
        if self in self._control.clients:
            self._control.clients.remove(self)
            self._hub.leave(self._connection.fileno())
            self._connection.close()

    def _read(self) -> None:
        try:
            received = self._connection.recv(_LONGEST_BYTES)
        except BlockingIOError:
            return
        except OSError:
            received = b""
        *lines, self._rest = (self._rest + received).split(b"\n")
        if not received or len(self._rest) > _LONGEST_BYTES:
            self.close()
            return
        for line in lines:
            number, _, rest = line.decode(errors="surrogateescape").partition(" ")
            word, _, argument = rest.partition(" ")
            self._control.tell(Request(self, number, word, argument))


class Request:
    def __init__(self, client: Client, number: str, word: str, argument: str) -> None:
        self.word = word
        self.argument = argument
        self._client = client
        self._number = number

    def done(self, more: object = "") -> None:
        self._client.send(f"{self._number} ok {more}")

    def refuse(self, why: object) -> None:
        self._client.send(f"{self._number} no {why}")
