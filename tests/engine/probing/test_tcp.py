"""TCP probes against sockets of this machine."""

from __future__ import annotations

import asyncio
import socket

import pytest

from ring.engine.probing import tcp
from ring.engine.probing.probed import Probed
from ring.engine.ways import Way

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.mark.parametrize(("address", "where"), [("127.0.0.1", "127.0.0.1"), ("::1", "[::1]")])
async def test_an_accepted_connection_passes(address: str, where: str) -> None:
    ended = asyncio.Event()

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        assert await reader.read() == b""
        writer.close()
        ended.set()

    async with await asyncio.start_server(accept, address, 0) as server:
        port = server.sockets[0].getsockname()[1]
        assert await tcp.probe(Way(address, port)) == Probed(
            "success", f"TCP connection to {where}:{port} successful"
        )
        async with asyncio.timeout(5):
            await ended.wait()


async def test_with_the_socket_that_leads_there() -> None:
    """It is closed whatever comes of it."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        link = _unconnected()
        link.bind(("127.0.0.1", 0))
        own = link.getsockname()
        assert (await tcp.probe(Way("127.0.0.1", port, link))).status == "success"
        accepted, peer = server.accept()
        accepted.close()
        assert peer == own
        assert link.fileno() == -1
    link = _unconnected()
    assert (await tcp.probe(Way("127.0.0.1", port, link))).status == "failed"
    assert link.fileno() == -1


def _unconnected() -> socket.socket:
    link = socket.socket()
    link.setblocking(False)
    return link


async def test_a_closed_port_fails() -> None:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        probed = await tcp.probe(Way("127.0.0.1", sock.getsockname()[1]))
    assert probed == Probed("failed", "TCP connection failed: Connection refused")
