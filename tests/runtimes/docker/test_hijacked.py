"""Bytes both ways over an engine's connection, in the clear and over TLS."""

from __future__ import annotations

import asyncio
import socketserver
import threading
from typing import TYPE_CHECKING

import pytest

from ring.runtimes.base import Unavailable
from ring.runtimes.docker import tls
from ring.runtimes.docker.connection import Answer, Connection, parse_host
from ring.runtimes.docker.hijacked import Hijacked, hijack
from tests.certificates import Authority

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncIterator
    from pathlib import Path

pytestmark = pytest.mark.anyio

CONTENT = bytes(range(256)) * 4096  # 1 MiB
VERSION = (
    b"HTTP/1.1 200 OK\r\nContent-Length: 62\r\n\r\n"
    b'{"Version":"20.10","ApiVersion":"1.41","MinAPIVersion":"1.12"}'
)
UPGRADED = b"HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n"
REFUSED = b"HTTP/1.1 409 Conflict\r\nContent-Length: 16\r\n\r\n" + b'{"message":"no"}'


class Engine(socketserver.BaseRequestHandler):
    """Echoes what it is sent after an upgrade; then says that there is no more, and goes.

    With blocking sockets: asyncio's cannot end one way of TLS, as real engines can.
    """

    def setup(self) -> None:
        context = getattr(self.server, "context", None)
        if context is not None:
            self.request = context.wrap_socket(self.request, server_side=True)

    def handle(self) -> None:
        head = b""
        while not head.partition(b"\r\n\r\n")[1]:
            head += self.request.recv(65536)
        if b"/version" in head or b"/_ping" in head:
            self.request.sendall(VERSION)
            return
        if head.endswith(b"\r\n\r\n"):
            self.request.recv(2)  # the body
        if b"/refused" in head:
            self.request.sendall(REFUSED)
        elif b"/garbled" in head:
            self.request.sendall(b"hello\r\n\r\n")
        else:
            self.request.sendall(UPGRADED + b"first ")
            while content := self.request.recv(65536):
                self.request.sendall(content)
            self.request.sendall(b" last")

    def finish(self) -> None:
        self.request.close()


class Server(socketserver.ThreadingTCPServer):
    context: ssl.SSLContext | None = None


@pytest.fixture(params=["clear", "tls"])
async def connection(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Connection]:
    options = {}
    with Server(("127.0.0.1", 0), Engine) as server:
        if request.param == "tls":
            authority = Authority(tmp_path / "certs")
            client = authority.issue("client")
            server.context = authority.demanding()
            options = {
                "tls_ca": f"{authority.ca}",
                "tls_cert": f"{client.cert}",
                "tls_key": f"{client.key}",
            }
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        host = f"tcp://127.0.0.1:{server.server_address[1]}"
        one = Connection(tls.secured(parse_host(host), options, "docker"))
        yield one
        await one.close()
        server.shutdown()
        thread.join()


async def test_the_end_of_the_input_leaves_the_output(connection: Connection) -> None:
    async with asyncio.timeout(20), hijack(connection, "/exec/x/start", {}) as opened:
        assert isinstance(opened, Hijacked)
        assert await opened.exactly(6) == b"first "

        async def give() -> None:
            await opened.write(CONTENT)
            opened.end()

        giving = asyncio.ensure_future(give())
        echoed = b""
        while piece := await opened.read(65536):
            echoed += piece
        await giving
        assert echoed == CONTENT + b" last"


async def test_a_refusal_is_an_answer(connection: Connection) -> None:
    async with hijack(connection, "/refused", {}) as opened:
        assert isinstance(opened, Answer)
        assert (opened.status, opened.message) == (409, "no")


async def test_what_is_no_engine(connection: Connection) -> None:
    with pytest.raises(Unavailable):
        async with hijack(connection, "/garbled", {}):
            pass
