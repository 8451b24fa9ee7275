"""Serves the API on a socket of ours, inside our task group, without touching signals."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import os
import socket
from typing import TYPE_CHECKING

import uvicorn

from ring.api.connection import Connection
from ring.core.errors import HostError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ring.api.asgi import Api

_BACKLOG = 1024
_SEND_BYTES = 256 * 1024
"""What the kernel keeps for a client that does not read; by itself it would take megabytes."""
_FAILED = "Cannot start API server"

_log = logging.getLogger("ring.api")


def bind(host: str, port: int) -> socket.socket:
    """A listening socket; port 0 takes a free one. Raises HostError naming the address."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except OSError as error:
        raise _bind_failed(host, port, error) from error
    family, kind, protocol, _, address = found[0]
    sock = socket.socket(family, kind, protocol)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BYTES)  # of its connections
        sock.bind(address)
        sock.listen(_BACKLOG)
    except OSError as error:
        sock.close()
        raise _bind_failed(host, port, error) from error
    sock.setblocking(False)
    return sock


async def serve(
    api: Api, sock: socket.socket, *, stop: asyncio.Event, drain_s: float = 5.0
) -> None:
    """Until `stop`; then no new connection, no stream, and at most drain_s for what is under way.

    Closes the socket and the API. Leaves signals alone.
    """
    config = uvicorn.Config(
        api,
        http=Connection,
        loop="none",
        ws="none",
        lifespan="off",
        interface="asgi3",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        backlog=_BACKLOG,
    )
    server = _Server(config)
    async with asyncio.TaskGroup() as group:
        running = group.create_task(server.serve([sock]))
        await stop.wait()
        api.end_streams()
        server.should_exit = True
        await asyncio.wait({running}, timeout=drain_s)
        if not running.done():
            _cut(server)
    api.close()


def _cut(server: uvicorn.Server) -> None:
    """Ends what has not ended by itself."""
    tasks = server.server_state.tasks
    _log.warning("%d request(s) did not end in time and are cut off", len(tasks))
    server.force_exit = True
    logging.getLogger("uvicorn.error").addFilter(_is_not_cancelled)
    for connection in list(server.server_state.connections):
        connection.transport.abort()
    for task in tasks:
        task.cancel()


def _is_not_cancelled(record: logging.LogRecord) -> bool:
    """uvicorn logs the end that we gave a request as a failure."""
    return not (record.exc_info and isinstance(record.exc_info[1], asyncio.CancelledError))


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """uvicorn would raise them again after its shutdown, and end the process with them."""
        yield


def _bind_failed(host: str, port: int, error: OSError) -> HostError:
    shown = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    if error.errno == errno.EADDRINUSE:
        return HostError(
            f"{_FAILED}: address {shown} is already in use. Is another ring instance running?"
        )
    known = error.errno if error.errno and error.errno > 0 else None
    reason = os.strerror(known) if known else error.strerror or str(error)
    return HostError(f"{_FAILED}: failed to bind to {shown}: {reason}")
