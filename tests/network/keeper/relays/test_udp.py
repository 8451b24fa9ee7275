from __future__ import annotations

import asyncio
import socket
from contextlib import AsyncExitStack, ExitStack
from typing import TYPE_CHECKING, Self

import pytest

from ring.network.keeper.relays import udp
from ring.network.keeper.relays.budget import Budget
from ring.network.keeper.relays.udp import Sessions, UdpPort
from tests.network.keeper.loopback import ANY, datagrams, free_port, subnet, until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


class _Place:
    """A port, and an instance that says back what it hears."""

    def __init__(self, bound: str = "", budget: Budget | None = None) -> None:
        net = subnet()
        self.address = f"{net}.1"
        self.number = free_port(bound or self.address)
        self.sessions = Sessions(budget or Budget())
        family = socket.AF_INET6 if ":" in bound else socket.AF_INET
        made = socket.socket(family, socket.SOCK_DGRAM)
        made.setblocking(False)
        made.bind((bound or self.address, self.number))
        self.port = UdpPort(made, self.sessions)
        self.instance = (f"{net}.2", free_port(f"{net}.2"))
        self.heard: list[bytes] = []
        self._opened = ExitStack()
        self._served = AsyncExitStack()

    async def __aenter__(self) -> Self:
        await self._served.enter_async_context(datagrams(*self.instance, self._hear))
        self.port.aim(*self.instance)
        return self

    async def __aexit__(self, *_: object) -> None:
        self.port.close()
        self._opened.close()
        await self._served.aclose()

    def _hear(self, data: bytes) -> bytes:
        self.heard.append(data)
        return b"heard " + data

    def client(self, address: str = "") -> socket.socket:
        """Connected: it hears of nobody else."""
        address = address or self.address
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        made = self._opened.enter_context(socket.socket(family, socket.SOCK_DGRAM))
        made.setblocking(False)
        made.connect((address, self.number))
        return made


@pytest.fixture
async def place() -> AsyncIterator[_Place]:
    async with _Place() as one:
        yield one


async def _said(client: socket.socket, data: bytes) -> bytes:
    client.send(data)
    async with asyncio.timeout(5):
        return await asyncio.get_running_loop().sock_recv(client, 65535)


async def test_everybody_gets_his_own_answers(place: _Place) -> None:
    one, other = place.client(), place.client()
    assert await _said(one, b"1") == b"heard 1"
    assert await _said(other, b"2") == b"heard 2"
    assert await _said(one, b"3") == b"heard 3"
    assert len(place.sessions) == 2


async def test_datagrams_of_any_size(place: _Place) -> None:
    client = place.client()
    assert await _said(client, b"") == b"heard "
    assert len(await _said(client, bytes(60_000))) == 60_006


@pytest.mark.parametrize(
    ("bound", "asked"), [(ANY, "127.0.0.1"), (ANY, "127.3.2.1"), ("::", "::1")]
)
async def test_the_answer_comes_from_where_the_question_went(bound: str, asked: str) -> None:
    async with _Place(bound) as place:
        assert await _said(place.client(asked), b"x") == b"heard x"


async def test_a_port_that_leads_nowhere_is_silent(place: _Place) -> None:
    place.port.aim("", 1)
    client = place.client()
    client.send(b"lost")
    for _ in range(3):  # it is there already when it has been sent: the loop only has to look
        await asyncio.sleep(0)
    place.port.aim(*place.instance)
    assert await _said(client, b"found") == b"heard found"


async def test_an_instance_that_does_not_listen_does_no_harm(place: _Place) -> None:
    place.port.aim(place.instance[0], free_port(place.instance[0]))
    client = place.client()
    client.send(b"lost")
    client.send(b"lost")
    await until(lambda: len(place.sessions))
    place.port.aim(*place.instance)
    assert await _said(client, b"found") == b"heard found"


async def test_the_one_that_was_silent_longest_makes_room() -> None:
    async with _Place(budget=Budget(sessions=2)) as place:
        first, second, third = place.client(), place.client(), place.client()
        for client in (first, second, first, third):
            assert await _said(client, b"x") == b"heard x"
        assert len(place.sessions) == 2
        assert await _said(first, b"y") == b"heard y"


async def test_the_silent_are_forgotten(place: _Place, monkeypatch: pytest.MonkeyPatch) -> None:
    assert await _said(place.client(), b"x") == b"heard x"
    place.sessions.sweep()
    assert len(place.sessions) == 1
    monkeypatch.setattr(udp, "IDLE_S", -1.0)
    place.sessions.sweep()
    assert len(place.sessions) == 0


async def test_a_port_ends_with_its_sessions() -> None:
    async with _Place() as place:
        assert await _said(place.client(), b"x") == b"heard x"
    assert len(place.sessions) == 0


async def test_the_sessions_of_other_ports_go_on(place: _Place) -> None:
    made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    made.setblocking(False)
    made.bind((place.address, 0))
    other = UdpPort(made, place.sessions)
    for number in range(1, 4):
        for port in (place.port, other):
            place.sessions.of(port, (("127.0.0.1", number), b""), *place.instance)
    other.close()
    assert len(place.sessions) == 3
    place.port.aim("", 1)
    assert len(place.sessions) == 0
    place.port.aim(*place.instance)
    assert await _said(place.client(), b"x") == b"heard x"
