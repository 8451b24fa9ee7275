from __future__ import annotations

import asyncio
from contextlib import ExitStack
from typing import TYPE_CHECKING, cast

import pytest
from dnslib import EDNS0, RCODE, RR, A, DNSRecord

from ring.network.keeper.resolver import messages
from ring.network.keeper.resolver.forwarding import (
    MOST_OF_A_NETWORK,
    MOST_OF_ONE,
    MOST_PENDING,
    Forwarder,
)
from ring.network.keeper.resolver.upstreams import SILENCES, Upstreams
from tests.network.keeper.loopback import code, datagrams, found, free_port, query, streams, subnet

if TYPE_CHECKING:
    from pathlib import Path

    from tests.network.keeper.loopback import Answer

pytestmark = pytest.mark.anyio

ASKED = query("example.com")


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


class _Place:
    """Two servers of the host, at one port."""

    def __init__(self, directory: Path) -> None:
        net = subnet()
        self.one, self.two = f"{net}.1", f"{net}.2"
        self.port = free_port(self.one)
        file = directory / "resolv.conf"
        file.write_text(f"nameserver {self.one}\nnameserver {self.two}\n")
        self.upstreams = Upstreams((file, directory / "none"))

    def forwarder(self, answer_s: float = 5.0) -> Forwarder:
        return Forwarder(self.upstreams, self.port, answer_s)


@pytest.fixture
def place(tmp_path: Path) -> _Place:
    return _Place(tmp_path)


def answering(address: str) -> Answer:
    def answer(message: bytes) -> bytes:
        reply = DNSRecord.parse(message).reply()
        reply.add_answer(RR(reply.q.qname, rdata=A(address), ttl=60))
        return bytes(reply.pack())

    return answer


def failing(number: int) -> Answer:
    def answer(message: bytes) -> bytes:
        reply = DNSRecord.parse(message).reply()
        reply.header.rcode = number
        return bytes(reply.pack())

    return answer


async def _forwarded(forwarder: Forwarder, message: bytes = ASKED) -> bytes:
    return await forwarder.by_udp(message, messages.parse(message), ())


async def test_the_answer_has_the_id_of_the_client_and_the_server_another(place: _Place) -> None:
    seen = []

    def answer(message: bytes) -> bytes | None:
        seen.append(message)
        return answering("192.0.2.9")(message)

    async with datagrams(place.one, place.port, answer):
        replies = [await _forwarded(place.forwarder()) for _ in range(4)]
    assert {reply[:2] for reply in replies} == {ASKED[:2]}
    assert found(replies[0]) == ["192.0.2.9"]
    assert len({message[:2] for message in seen}) > 1
    assert {message[2:] for message in seen} == {ASKED[2:]}


async def test_what_extends_a_query_goes_with_it(place: _Place) -> None:
    record = DNSRecord.question("example.com")
    record.add_ar(EDNS0(udp_len=4096, flags="do"))
    seen = []

    def answer(message: bytes) -> bytes | None:
        seen.append(DNSRecord.parse(message))
        return answering("192.0.2.9")(message)

    async with datagrams(place.one, place.port, answer):
        await _forwarded(place.forwarder(), record.pack())
    assert (seen[0].ar[0].edns_len, seen[0].ar[0].edns_do) == (4096, 1)


async def test_answers_to_something_else_are_not_taken(place: _Place) -> None:
    loop = asyncio.get_running_loop()

    class Liar(asyncio.DatagramProtocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            # Of a class that asyncio gives no such name before 3.12.
            self.transport = cast("asyncio.DatagramTransport", transport)

        def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
            reply = answering("192.0.2.66")(data)
            assert reply is not None
            other = (int.from_bytes(data[:2], "big") + 1) % 65536
            self.transport.sendto(b"x", addr)
            self.transport.sendto(data, addr)
            self.transport.sendto(messages.with_id(reply, other), addr)
            wrong = answering("192.0.2.66")(data[:2] + query("other.com")[2:])
            assert wrong is not None
            self.transport.sendto(wrong, addr)
            right = answering("192.0.2.9")(data)
            assert right is not None
            self.transport.sendto(right, addr)

    transport, _ = await loop.create_datagram_endpoint(Liar, local_addr=(place.one, place.port))
    try:
        assert found(await _forwarded(place.forwarder())) == ["192.0.2.9"]
    finally:
        transport.close()


async def test_only_the_server_itself_can_answer(place: _Place) -> None:
    """Who else sends to the right port, with the right id, is not heard."""
    loop = asyncio.get_running_loop()

    class Aside(asyncio.DatagramProtocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            # Of a class that asyncio gives no such name before 3.12.
            self.transport = cast("asyncio.DatagramTransport", transport)

        def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
            forged, right = answering("192.0.2.66")(data), answering("192.0.2.9")(data)
            assert forged is not None
            assert right is not None
            other.sendto(forged, addr)
            self.transport.sendto(right, addr)

    other, _ = await loop.create_datagram_endpoint(
        asyncio.DatagramProtocol, local_addr=(place.two, place.port)
    )
    transport, _ = await loop.create_datagram_endpoint(Aside, local_addr=(place.one, place.port))
    try:
        assert found(await _forwarded(place.forwarder())) == ["192.0.2.9"]
    finally:
        transport.close()
        other.close()


async def test_the_next_server_when_one_is_silent_and_that_first_when_it_stays_so(
    place: _Place,
) -> None:
    forwarder = place.forwarder(0.05)
    async with (
        datagrams(place.one, place.port, lambda _: None),
        datagrams(place.two, place.port, answering("192.0.2.2")),
    ):
        for _ in range(SILENCES):
            assert place.upstreams.servers() == [place.one, place.two]
            assert found(await _forwarded(forwarder)) == ["192.0.2.2"]
        assert place.upstreams.servers() == [place.two, place.one]


async def test_a_server_that_is_silent_about_one_name_is_still_asked_first(place: _Place) -> None:
    """Whose own servers do not answer: anybody may ask for it, as often as he likes."""
    forwarder = place.forwarder(0.2)
    dead = query("dead.example.com")

    def answer(message: bytes) -> bytes | None:
        return None if message[2:] == dead[2:] else answering("192.0.2.1")(message)

    async with (
        datagrams(place.one, place.port, answer),
        datagrams(place.two, place.port, failing(RCODE.NXDOMAIN)),
    ):
        *silent, known = await asyncio.gather(
            *(_forwarded(forwarder, dead) for _ in range(3 * SILENCES)), _forwarded(forwarder)
        )
        assert {code(reply) for reply in silent} == {RCODE.NXDOMAIN}
        assert found(known) == ["192.0.2.1"]
        assert found(await _forwarded(forwarder)) == ["192.0.2.1"]


@pytest.mark.parametrize("number", [RCODE.SERVFAIL, RCODE.REFUSED, RCODE.NOTIMP])
async def test_the_next_server_when_one_cannot_say(place: _Place, number: int) -> None:
    async with (
        datagrams(place.one, place.port, failing(number)),
        datagrams(place.two, place.port, answering("192.0.2.2")),
    ):
        assert found(await _forwarded(place.forwarder())) == ["192.0.2.2"]


async def test_that_there_is_no_such_name_is_an_answer(place: _Place) -> None:
    async with (
        datagrams(place.one, place.port, failing(RCODE.NXDOMAIN)),
        datagrams(place.two, place.port, answering("192.0.2.2")),
    ):
        assert code(await _forwarded(place.forwarder())) == RCODE.NXDOMAIN


async def test_what_the_last_said_when_none_can_say(place: _Place) -> None:
    async with datagrams(place.one, place.port, failing(RCODE.REFUSED)):
        assert code(await _forwarded(place.forwarder())) == RCODE.REFUSED


async def test_no_server_is_a_failure_of_the_server(place: _Place) -> None:
    assert code(await _forwarded(place.forwarder())) == RCODE.SERVFAIL
    query_ = messages.parse(ASKED)
    answer = await place.forwarder().by_udp(ASKED, query_, {place.one, place.two})
    assert (code(answer), answer[:2]) == (RCODE.SERVFAIL, ASKED[:2])


async def test_by_tcp_what_came_by_tcp(place: _Place) -> None:
    many = [f"10.0.{n // 200}.{n % 200}" for n in range(500)]

    def answer(message: bytes) -> bytes:
        reply = DNSRecord.parse(message).reply()
        reply.add_answer(*(RR(reply.q.qname, rdata=A(one)) for one in many))
        return bytes(reply.pack())

    async with streams(place.one, place.port, answer):
        reply = await place.forwarder().by_tcp(ASKED, messages.parse(ASKED), ())
    assert found(reply) == many
    assert reply[:2] == ASKED[:2]


async def test_a_server_that_breaks_off_or_lies_by_tcp_is_passed_over(place: _Place) -> None:
    async with (
        streams(place.one, place.port, lambda _: None),
        streams(place.two, place.port, lambda message: query("other.com")),
    ):
        reply = await place.forwarder().by_tcp(ASKED, messages.parse(ASKED), ())
    assert code(reply) == RCODE.SERVFAIL


def test_one_client_leaves_room_for_the_others(place: _Place) -> None:
    forwarder = place.forwarder()
    with ExitStack() as taken:
        rooms = [taken.enter_context(forwarder.place("a", "g")) for _ in range(MOST_OF_ONE + 1)]
        assert rooms == [True] * MOST_OF_ONE + [False]
        others = [forwarder.place(f"{n}", "g") for n in range(MOST_OF_A_NETWORK)]
        found = [taken.enter_context(other) for other in others]
        assert found.count(True) == MOST_OF_A_NETWORK - MOST_OF_ONE
        for n in range(MOST_PENDING - MOST_OF_A_NETWORK):
            assert taken.enter_context(forwarder.place(f"{n}", f"g{n}"))
        assert not taken.enter_context(forwarder.place("b", "h"))
    with forwarder.place("a", "g") as has_room:
        assert has_room
