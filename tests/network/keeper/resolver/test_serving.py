from __future__ import annotations

import asyncio
import contextlib
import socket
from typing import TYPE_CHECKING

import pytest
from dnslib import RCODE

from ring.network.keeper.resolver import serving
from ring.network.keeper.resolver.forwarding import Forwarder
from ring.network.keeper.resolver.serving import Resolver
from ring.network.keeper.resolver.upstreams import Upstreams
from ring.network.keeper.state import Zone
from tests.network.keeper.loopback import (
    ask,
    ask_by_tcp,
    code,
    datagrams,
    found,
    free_port,
    query,
    streams,
    subnet,
)
from tests.network.keeper.resolver.test_forwarding import answering

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


class _Place:
    """A network's gateway, one of its clients, and a stranger; the host's server."""

    def __init__(self, directory: Path) -> None:
        self.net, self.other_net = subnet(), subnet()
        self.gateway, self.client = f"{self.net}.1", f"{self.net}.20"
        self.stranger = f"{self.other_net}.30"
        self.server = "127.0.0.1"
        self.port = free_port(self.server)
        file = directory / "resolv.conf"
        file.write_text(f"nameserver {self.gateway}\nnameserver {self.server}\n")
        self.resolver = Resolver(
            Forwarder(Upstreams((file, directory / "none")), self.port), self.port
        )

    def zone(self, *addresses: str, gateways: tuple[str, ...] = ()) -> Zone:
        return Zone(gateways or (self.gateway,), (f"{self.net}.0/24",), {"web": addresses})

    async def ask(self, message: bytes, client: str = "", server: str = "") -> bytes:
        return await ask(message, server or self.gateway, self.port, client or self.client)

    async def ask_by_tcp(self, message: bytes, client: str = "") -> bytes:
        return await ask_by_tcp(message, self.gateway, self.port, client or self.client)


@pytest.fixture
async def place(tmp_path: Path) -> AsyncIterator[_Place]:
    one = _Place(tmp_path)
    yield one
    one.resolver.close()


async def test_names_by_both_ways(place: _Place) -> None:
    assert place.resolver.keep("ring_a", place.zone("10.0.0.1")) == ""
    assert found(await place.ask(query("web"))) == ["10.0.0.1"]
    assert found(await place.ask_by_tcp(query("web"))) == ["10.0.0.1"]


async def test_by_the_newest_zone(place: _Place) -> None:
    for address in ("10.0.0.1", "10.0.0.2"):
        place.resolver.keep("ring_a", place.zone(address))
        assert found(await place.ask(query("web"))) == [address]


async def test_a_network_that_is_dropped_is_not_answered_for(place: _Place) -> None:
    place.resolver.keep("ring_a", place.zone("10.0.0.1"))
    place.resolver.drop("ring_a")
    with pytest.raises(ConnectionRefusedError):
        await place.ask(query("web"))
    with pytest.raises(ConnectionRefusedError):
        await place.ask_by_tcp(query("web"))


async def test_a_gateway_that_moves(place: _Place) -> None:
    place.resolver.keep("ring_a", place.zone("10.0.0.1"))
    other = f"{place.net}.2"
    place.resolver.keep("ring_a", place.zone("10.0.0.1", gateways=(other,)))
    assert found(await place.ask(query("web"), server=other)) == ["10.0.0.1"]
    with pytest.raises(ConnectionRefusedError):
        await place.ask(query("web"))


async def test_another_network_gets_nothing(place: _Place) -> None:
    place.resolver.keep("ring_a", place.zone("10.0.0.1"))
    answer = await place.ask(query("web"), place.stranger)
    assert (code(answer), found(answer)) == (RCODE.REFUSED, [])
    assert await place.ask_by_tcp(query("web"), place.stranger) == b""


async def test_a_name_of_another_network_is_not_known(place: _Place) -> None:
    place.resolver.keep("ring_a", place.zone("10.0.0.1"))
    other = Zone((f"{place.other_net}.1",), (f"{place.other_net}.0/24",), {"db": ("10.0.9.9",)})
    place.resolver.keep("ring_b", other)
    asked = []

    def answer(message: bytes) -> bytes | None:
        asked.append(message)
        return answering("192.0.2.9")(message)

    async with datagrams(place.server, place.port, answer):
        assert found(await place.ask(query("db"))) == ["192.0.2.9"]
    assert len(asked) == 1
    answer_of_b = await place.ask(query("db"), place.stranger, f"{place.other_net}.1")
    assert found(answer_of_b) == ["10.0.9.9"]


async def test_all_else_is_asked_of_the_host_s_server_and_never_of_itself(place: _Place) -> None:
    place.resolver.keep("ring_a", place.zone("10.0.0.1"))
    async with (
        datagrams(place.server, place.port, answering("192.0.2.1")),
        streams(place.server, place.port, answering("192.0.2.2")),
    ):
        assert found(await place.ask(query("example.com"))) == ["192.0.2.1"]
        assert found(await place.ask_by_tcp(query("example.com"))) == ["192.0.2.2"]


async def test_garbage_does_no_harm(place: _Place) -> None:
    place.resolver.keep("ring_a", place.zone("10.0.0.1"))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as made:
        made.bind((place.client, 0))
        for message in (b"", b"x", b"\xff" * 11, b"\xff" * 600, query("web")[:-3]):
            made.sendto(message, (place.gateway, place.port))
        made.setblocking(False)
        async with asyncio.timeout(5):
            told = await asyncio.get_running_loop().sock_recv(made, 600)
    assert code(told) == RCODE.FORMERR
    assert code(await place.ask_by_tcp(query("web")[:-3])) == RCODE.FORMERR
    assert await place.ask_by_tcp(b"") == b""
    assert found(await place.ask(query("web"))) == ["10.0.0.1"]


async def test_one_client_leaves_connections_for_the_others(place: _Place) -> None:
    place.resolver.keep("ring_a", place.zone("10.0.0.1"))
    opened = [
        await asyncio.open_connection(place.gateway, place.port, local_addr=(place.client, 0))
        for _ in range(serving.MOST_OF_ONE)
    ]
    assert await place.ask_by_tcp(query("web")) == b""
    assert found(await place.ask_by_tcp(query("web"), f"{place.net}.21")) == ["10.0.0.1"]
    for _, writer in opened:
        writer.close()
        await writer.wait_closed()
    async with asyncio.timeout(5):
        while await place.ask_by_tcp(query("web")) == b"":
            pass


async def test_one_network_leaves_connections_for_the_others(place: _Place) -> None:
    place.resolver.keep("ring_a", place.zone("10.0.0.1"))
    elsewhere = f"{place.other_net}.1"
    zone = Zone((elsewhere,), (f"{place.other_net}.0/24",), {"web": ("10.1.0.1",)})
    place.resolver.keep("ring_b", zone)
    with contextlib.ExitStack() as opened:
        for number in range(serving.MOST_OF_A_NETWORK):
            client = f"{place.net}.{20 + number // serving.MOST_OF_ONE}"
            _, writer = await asyncio.open_connection(
                place.gateway, place.port, local_addr=(client, 0)
            )
            opened.callback(writer.close)
        assert await place.ask_by_tcp(query("web"), f"{place.net}.99") == b""
        reply = await ask_by_tcp(query("web"), elsewhere, place.port, place.stranger)
        assert found(reply) == ["10.1.0.1"]


async def test_a_silent_connection_is_let_go(
    place: _Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(serving, "IDLE_S", 0.02)
    place.resolver.keep("ring_a", place.zone("10.0.0.1"))
    reader, writer = await asyncio.open_connection(
        place.gateway, place.port, local_addr=(place.client, 0)
    )
    async with asyncio.timeout(5):
        assert await reader.read() == b""
    writer.close()


async def test_a_place_that_is_taken_is_had_when_it_is_free(place: _Place) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.bind((place.gateway, place.port))
        problem = place.resolver.keep("ring_a", place.zone("10.0.0.1"))
        assert place.gateway in problem
        assert "in use" in problem
    place.resolver.retry()
    assert found(await place.ask(query("web"))) == ["10.0.0.1"]
    assert found(await place.ask_by_tcp(query("web"))) == ["10.0.0.1"]


async def test_a_gateway_that_is_not_there_yet_is_no_problem(place: _Place) -> None:
    for gateway in ("192.0.2.77", "2001:db8::77"):
        assert place.resolver.keep("ring_a", place.zone("10.0.0.1", gateways=(gateway,))) == ""
