"""The least an HTTP server on asyncio can be: one fixed answer to whatever arrives.

    python bench/responder.py BYTES     prints its port; BYTES is the length of the body

The floor of P6 and P7. Standard library, the library's own event loop.
"""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


class Responder(asyncio.Protocol):
    """A request is what one read gives: its client sends the next after the answer."""

    def __init__(self, answer: bytes) -> None:
        self._answer = answer
        self._transport: asyncio.WriteTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if isinstance(transport, asyncio.WriteTransport):
            self._transport = transport

    def data_received(self, data: bytes) -> None:
        if self._transport is not None:
            self._transport.write(self._answer)


@contextlib.contextmanager
def responder(body_bytes: int) -> Iterator[int]:
    """The port of one in a process of its own."""
    argv = [sys.executable, __file__, str(body_bytes)]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield int(process.stdout.readline())
        finally:
            process.terminate()


async def _serve(body_bytes: int) -> None:
    head = f"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {body_bytes}\r\n"
    answer = head.encode() + b"\r\n" + b"x" * body_bytes
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Responder(answer), "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(_serve(int(sys.argv[1])))
