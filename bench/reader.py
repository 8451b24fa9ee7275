"""A client so thin that it is not what is measured: one kept connection, prepared requests."""

from __future__ import annotations

import contextlib
import json
import socket
from typing import TYPE_CHECKING

from bench import rig

if TYPE_CHECKING:
    from collections.abc import Iterator

CHUNK = 1 << 20


class Reader:
    """One request at a time."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection

    def ask(self, request: bytes) -> bytes:
        """The body of a 2xx answer. Raises BenchProblem for any other."""
        self._connection.sendall(request)
        received = self._connection.recv(CHUNK)
        while b"\r\n\r\n" not in received:
            received += self._more()
        head, _, body = received.partition(b"\r\n\r\n")
        if not head.startswith(b"HTTP/1.1 2"):
            raise rig.BenchProblem(f"{request[:60]!r}: {head[:60]!r} {body[:200]!r}")
        length = _length(head)
        while len(body) < length:
            body += self._more()
        return body

    def _more(self) -> bytes:
        more = self._connection.recv(CHUNK)
        if not more:
            raise rig.BenchProblem("the server closed the connection")
        return more


def _length(head: bytes) -> int:
    fields = head.lower().split(b"\r\n")
    return next(int(field.partition(b":")[2]) for field in fields if field.startswith(b"content-l"))


@contextlib.contextmanager
def connected(port: int) -> Iterator[Reader]:
    with socket.create_connection(("127.0.0.1", port), rig.READY_WITHIN_S) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        yield Reader(connection)


def request(stand: rig.Bench, method: str, path: str, body: object = None) -> bytes:
    """An authenticated request as it goes over the wire."""
    content = b"" if body is None else json.dumps(body).encode()
    head = (
        f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {stand.token}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(content)}\r\n\r\n"
    )
    return head.encode() + content
