"""A way to a registry that can be closed, and be cut or stalled in the middle of a layer."""

from __future__ import annotations

import contextlib
import socket
import threading
from enum import Enum, auto

PIECE = 16 * 1024
MIDDLE_BYTES = 1024 * 1024
"""More than any manifest has, and less than a layer that is meant to be interrupted."""


class Mode(Enum):
    OPEN = auto()
    CUT = auto()
    """A connection is closed once it has brought MIDDLE_BYTES."""
    STALL = auto()
    """It brings no more then, until the mode is another."""


class RegistryProxy:
    """A TCP port before a registry's. Closed until `open`."""

    def __init__(self, registry: str, port: int) -> None:
        host, _, number = registry.rpartition(":")
        self.address = f"127.0.0.1:{port}"
        self._registry = (host, int(number))
        self._port = port
        self._listener: socket.socket | None = None
        self._mode = Mode.OPEN
        self._changed = threading.Condition()
        self.interrupted = 0
        """So many connections were cut or stalled."""

    def open(self) -> None:
        """Whole, whatever its mode was before."""
        self.set(Mode.OPEN)
        self._listener = socket.create_server(("127.0.0.1", self._port))
        listener = self._listener
        threading.Thread(target=self._accept, args=(listener,), daemon=True).start()

    def close(self) -> None:
        """Nobody listens any more; what stalls is cut."""
        if self._listener is not None:
            with contextlib.suppress(OSError):
                self._listener.shutdown(socket.SHUT_RDWR)
            self._listener.close()
            self._listener = None
        self.set(Mode.CUT)

    def set(self, mode: Mode) -> None:
        with self._changed:
            self._mode = mode
            self._changed.notify_all()

    def _accept(self, listener: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = listener.accept()
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with client, contextlib.suppress(OSError), socket.create_connection(self._registry) as far:
            threading.Thread(target=_pour, args=(client, far), daemon=True).start()
            brought = 0
            while piece := far.recv(PIECE):
                brought += len(piece)
                if brought > MIDDLE_BYTES and not self._may_go_on():
                    break
                client.sendall(piece)
            _shut(client)
            _shut(far)

    def _may_go_on(self) -> bool:
        """Waits while connections are stalled."""
        with self._changed:
            if self._mode is not Mode.OPEN:
                self.interrupted += 1
            self._changed.wait_for(lambda: self._mode is not Mode.STALL)
            return self._mode is Mode.OPEN


def _pour(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while piece := source.recv(PIECE):
            target.sendall(piece)
    _shut(target)


def _shut(one: socket.socket) -> None:
    with contextlib.suppress(OSError):
        one.shutdown(socket.SHUT_RDWR)
