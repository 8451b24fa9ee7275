"""A listening TCP socket on the loop, which hands on what comes in."""

from __future__ import annotations

import asyncio
import errno
import logging
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

AGAIN_S: Final = 1.0
"""Until it accepts again after the machine or this process had no room for one more."""
_AT_ONCE: Final = 64
"""Connections taken before others have their turn."""
_NO_ROOM: Final = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})

_log = logging.getLogger(__name__)


class Listening:
    """Owns the socket."""

    def __init__(self, made: socket.socket, take: Callable[[socket.socket, str], None]) -> None:
        """take: gets each connection, not blocking, and the address of the client."""
        self._socket = made
        self._take = take
        self._loop = asyncio.get_running_loop()
        self._pause: asyncio.TimerHandle | None = None
        self._go_on()

    def close(self) -> None:
        if self._pause is not None:
            self._pause.cancel()
        self._loop.remove_reader(self._socket)
        self._socket.close()

    def _go_on(self) -> None:
        self._pause = None
        self._loop.add_reader(self._socket, self._accept)

    def _accept(self) -> None:
        for _ in range(_AT_ONCE):
            try:
                connection, client = self._socket.accept()
            except BlockingIOError:
                return
            except OSError as error:
                if error.errno not in _NO_ROOM:
                    continue  # that one has gone already
                _log.warning("no room for one more connection: %s", error)
                self._loop.remove_reader(self._socket)
                self._pause = self._loop.call_later(AGAIN_S, self._go_on)
                return
            connection.setblocking(False)
            self._take(connection, client[0])
