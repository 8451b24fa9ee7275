from __future__ import annotations

import asyncio
import socket
import time
from typing import TYPE_CHECKING

import pytest

from ring.network.keeper import KeeperProblem, PortTaken, Relay
from ring.network.keeper.relays import ports as relayed
from ring.network.keeper.relays.budget import Budget
from ring.network.keeper.relays.ports import Ports
from ring.network.keeper.turns import AT_ONCE
from tests.network.keeper.loopback import ANY, free_port, subnet, until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

pytestmark = pytest.mark.anyio

SOON_S = 10.0
"""Generous: comparing each with each takes ten times as long, and this a tenth."""


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
async def ports() -> AsyncIterator[Ports]:
    one = Ports(Budget())
    yield one
    await one.close()


@pytest.fixture
def net() -> str:
    return subnet()


def _relay(host_ip: str | None, published: int, protocol: str = "tcp") -> Relay:
    return Relay(host_ip, published, protocol, "", 80)


def _is_held(address: str, port: int, kind: socket.SocketKind = socket.SOCK_STREAM) -> bool:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, kind) as other:
        if kind == socket.SOCK_STREAM:
            other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            other.bind((address, port))
        except OSError:
            return True
        return False


async def test_without_an_address_it_is_every_one_of_both_families(ports: Ports) -> None:
    port = free_port("::")
    await ports.publish("a", [_relay(None, port), _relay(None, port, "udp")])
    for address in ("127.0.0.1", "127.9.9.9", "::1"):
        for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
            assert _is_held(address, port, kind)
    await ports.unpublish("a")
    for address in ("127.0.0.1", "::1"):
        for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
            assert not _is_held(address, port, kind)


async def test_with_one_it_is_only_there(ports: Ports, net: str) -> None:
    port = free_port(f"{net}.1")
    await ports.publish("a", [_relay(f"{net}.1", port)])
    assert _is_held(f"{net}.1", port)
    assert not _is_held(f"{net}.2", port)
    await ports.publish("b", [_relay(f"{net}.2", port)])
    assert _is_held(f"{net}.2", port)


@pytest.mark.parametrize("protocol", ["tcp", "udp"])
@pytest.mark.parametrize("held", [None, ANY, "ours"])
async def test_the_port_of_another_program_is_refused(
    ports: Ports, net: str, protocol: str, held: str | None
) -> None:
    kind = socket.SOCK_STREAM if protocol == "tcp" else socket.SOCK_DGRAM
    with socket.socket(socket.AF_INET, kind) as other:
        if protocol == "tcp":
            other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        port = free_port(ANY)
        other.bind((f"{net}.1", port))
        if protocol == "tcp":
            other.listen()
        host_ip = f"{net}.1" if held == "ours" else held
        with pytest.raises(PortTaken) as raised:
            await ports.publish("a", [_relay(host_ip, port, protocol)])
    assert (raised.value.port, raised.value.protocol) == (port, protocol)
    assert raised.value.holder == ""
    await ports.publish("a", [_relay(host_ip, port, protocol)])


@pytest.mark.parametrize(
    ("mine", "theirs"),
    [
        (None, None),
        (None, "127.0.0.1"),
        ("127.0.0.1", None),
        (ANY, "127.0.0.1"),
        ("127.0.0.1", "127.0.0.1"),
        ("::1", None),
        ("::1", "::"),
        (None, "::1"),
    ],
)
async def test_the_port_of_another_holder_is_refused(
    ports: Ports, mine: str | None, theirs: str | None
) -> None:
    port = free_port("::")
    await ports.publish("a", [_relay(mine, port)])
    with pytest.raises(PortTaken) as raised:
        await ports.publish("b", [_relay(theirs, port)])
    assert raised.value.holder == "a"
    await ports.publish("b", [_relay(theirs, port, "udp")])


async def test_the_families_do_not_overlap(ports: Ports) -> None:
    port = free_port("::")
    await ports.publish("a", [_relay(ANY, port)])
    await ports.publish("b", [_relay("::", port)])


async def test_a_port_twice_is_refused(ports: Ports) -> None:
    port = free_port("::")
    with pytest.raises(PortTaken):
        await ports.publish("a", [_relay(None, port), _relay("127.0.0.1", port)])
    assert not _is_held("127.0.0.1", port)


async def test_all_or_nothing(ports: Ports, net: str) -> None:
    first, second, third = (free_port(f"{net}.{n}") for n in (1, 2, 3))
    await ports.publish("a", [_relay(f"{net}.1", first), _relay(f"{net}.2", second)])
    with socket.create_server((f"{net}.3", third)):
        wanted = [_relay(f"{net}.{n}", port) for n, port in ((1, first), (4, third), (3, third))]
        with pytest.raises(PortTaken):
            await ports.publish("a", wanted)
    assert _is_held(f"{net}.1", first)
    assert _is_held(f"{net}.2", second)
    assert not _is_held(f"{net}.4", third)
    await ports.publish("a", wanted)
    assert not _is_held(f"{net}.2", second)


async def test_what_was_waited_for_is_had_when_a_change_fails(ports: Ports, net: str) -> None:
    port = free_port(f"{net}.1")
    with socket.create_server((f"{net}.1", port)):
        await ports.restore("a", [_relay(f"{net}.1", port)])
    with socket.create_server((f"{net}.2", port)), pytest.raises(PortTaken):
        await ports.publish("a", [_relay(f"{net}.{n}", port) for n in (1, 2)])
    assert _is_held(f"{net}.1", port)


async def test_nobody_is_let_in_before_all_are_had(
    ports: Ports, net: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever comes meanwhile waits, and is turned away where they are not."""
    port = free_port(f"{net}.100")
    several = [f"{net}.{100 + n}" for n in range(AT_ONCE + 1)]
    target = (f"{net}.2", free_port(f"{net}.2"))
    relays = [Relay(address, port, "tcp", *target) for address in several]
    bound, clients = relayed._bound, []

    def visited(relay: Relay, address: str) -> socket.socket | None:
        if address == several[1]:
            clients.append(socket.create_connection((several[0], port)))
            clients[-1].setblocking(False)
        return bound(relay, address)

    async def greet(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"here")
        writer.close()

    async def said(client: socket.socket) -> bytes:
        with client:
            async with asyncio.timeout(5):
                return await asyncio.get_running_loop().sock_recv(client, 100)

    monkeypatch.setattr(relayed, "_bound", visited)
    async with await asyncio.start_server(greet, *target):
        with socket.create_server((several[-1], port)), pytest.raises(PortTaken):
            await ports.publish("a", relays)
        assert not ports.is_carrying
        with pytest.raises(ConnectionResetError):
            await said(clients[0])
        await ports.publish("a", relays)
        assert await said(clients[1]) == b"here"
        await until(lambda: not ports.is_carrying)


async def test_others_have_their_turn_while_many_are_opened_and_closed(
    ports: Ports, monkeypatch: pytest.MonkeyPatch
) -> None:
    number, done, stretches = 10 * AT_ONCE, 0, list[int]()

    def bound(*_: object) -> None:
        nonlocal done
        done += 1

    async def watch() -> None:
        nonlocal done
        while True:
            stretches.append(done)
            done = 0
            await asyncio.sleep(0)

    monkeypatch.setattr(relayed, "_bound", bound)
    relays = [_relay("127.0.0.1", 1 + n) for n in range(number)]
    watching = asyncio.create_task(watch())
    await ports.publish("a", relays)
    assert max(stretches) == AT_ONCE
    assert sum(stretches) + done == number
    # To look whose they are, to bind them, to let in whoever waits, to write down whose they are.
    assert len(stretches) >= 4 * number // AT_ONCE
    stretches.clear()
    await ports.unpublish("a")
    assert len(stretches) >= 2 * number // AT_ONCE
    watching.cancel()


async def test_from_one_address_to_all(ports: Ports) -> None:
    port = free_port("::")
    await ports.publish("a", [_relay("127.0.0.1", port)])
    await ports.publish("a", [_relay(None, port)])
    assert _is_held("127.0.0.2", port)


async def test_an_address_that_the_host_has_not_says_so(ports: Ports) -> None:
    with pytest.raises(OSError, match=r"192\.0\.2\.99 port 8080/tcp: .*assign"):
        await ports.publish("a", [_relay("192.0.2.99", 8080)])


async def test_connections_of_before_are_not_in_the_way(ports: Ports, net: str) -> None:
    """TIME_WAIT is on the side that ends first."""
    with socket.create_server((f"{net}.1", 0)) as server:
        address = server.getsockname()
        with socket.create_connection(address) as client:
            accepted, _ = server.accept()
            accepted.close()
            assert client.recv(1) == b""
    await ports.publish("a", [_relay(*address)])


async def test_the_sockets_stay_when_the_address_changes(ports: Ports, net: str) -> None:
    port = free_port(f"{net}.1")
    target = free_port(f"{net}.2")
    await ports.publish("a", [_relay(f"{net}.1", port)])

    async def greet(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"here")
        writer.close()

    async with await asyncio.start_server(greet, f"{net}.2", target):
        await ports.publish("a", [Relay(f"{net}.1", port, "tcp", f"{net}.2", target)])
        reader, writer = await asyncio.open_connection(f"{net}.1", port)
        async with asyncio.timeout(5):
            assert await reader.read() == b"here"
        writer.close()
        await until(lambda: not ports.is_carrying)


async def test_what_cannot_be_had_at_the_start_is_had_later(ports: Ports, net: str) -> None:
    port = free_port(f"{net}.1")
    with socket.create_server((f"{net}.1", port)):
        await ports.restore("a", [_relay(f"{net}.1", port), _relay(f"{net}.2", port)])
        assert _is_held(f"{net}.2", port)
        await ports.retry()
    with pytest.raises(PortTaken) as raised:
        await ports.publish("b", [_relay(f"{net}.1", port)])
    assert raised.value.holder == "a"
    await ports.retry()
    assert _is_held(f"{net}.1", port)


async def test_what_the_files_say_twice_is_kept_until_it_goes(ports: Ports, net: str) -> None:
    port = free_port(f"{net}.1")
    await ports.restore("a", [_relay(f"{net}.1", port)])
    await ports.restore("b", [_relay(f"{net}.1", port)])
    await ports.unpublish("b")
    with pytest.raises(PortTaken) as raised:
        await ports.publish("c", [_relay(f"{net}.1", port)])
    assert raised.value.holder == "a"
    await ports.unpublish("a")
    await ports.publish("c", [_relay(f"{net}.1", port)])


@pytest.fixture
async def few() -> AsyncIterator[Ports]:
    """Four sockets, of which one holder may have two."""
    one = Ports(Budget(sockets=4))
    yield one
    await one.close()


async def test_more_than_one_may_hold_is_refused_and_what_it_had_stays(
    few: Ports, net: str
) -> None:
    first, second = free_port(f"{net}.1"), free_port("::")
    await few.publish("a", [_relay(f"{net}.1", first)])
    with pytest.raises(KeeperProblem, match="need 3 sockets, and one instance may have 2"):
        await few.publish("a", [_relay(f"{net}.2", first), _relay(None, second)])
    assert _is_held(f"{net}.1", first)
    assert not _is_held(f"{net}.2", first)
    await few.publish("a", [_relay(None, second)])
    assert not _is_held(f"{net}.1", first)


async def test_more_than_all_may_hold_is_refused_until_others_go(few: Ports, net: str) -> None:
    port = free_port(f"{net}.9")
    wanted = [[_relay(f"{net}.{one}{n}", port) for n in (1, 2)] for one in (1, 2, 3)]
    await few.publish("a", wanted[0])
    await few.publish("b", wanted[1])
    await few.publish("b", wanted[1])
    with pytest.raises(KeeperProblem, match="need 2 sockets, and 4 of 4 are taken"):
        await few.publish("c", wanted[2])
    assert not _is_held(f"{net}.31", port)
    await few.unpublish("a")
    await few.publish("c", wanted[2])


async def test_what_could_not_be_opened_takes_no_room(few: Ports, net: str) -> None:
    port = free_port(f"{net}.1")
    await few.publish("a", [_relay(f"{net}.1", port)])
    with socket.create_server((f"{net}.2", port)):
        for holder in ("a", "b"):
            with pytest.raises(PortTaken):
                await few.publish(holder, [_relay(f"{net}.{n}", port) for n in (3, 2)])
    await few.publish("c", [_relay(f"{net}.{n}", port) for n in (4, 5)])
    await few.publish("b", [_relay(f"{net}.6", port)])


async def test_what_has_no_room_at_the_start_has_it_later(
    few: Ports, net: str, caplog: pytest.LogCaptureFixture
) -> None:
    port = free_port(f"{net}.9")
    for one in ("a", "b", "c"):
        address = f"{net}.{ord(one)}"
        await few.restore(one, [_relay(address, port), _relay(address, port, "udp")])
    await few.retry()
    assert [record.getMessage().split(":")[0] for record in caplog.records] == ["c"]
    assert not _is_held(f"{net}.{ord('c')}", port)
    await few.unpublish("a")
    await few.retry()
    assert _is_held(f"{net}.{ord('c')}", port)


async def test_thousands_of_ports_hold_up_nobody(
    ports: Ports, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As many as a manifest may have, whoever else has as many; without the kernel's share."""
    monkeypatch.setattr(relayed, "_bound", lambda *_: None)
    began = time.perf_counter()
    for number in range(3):
        wanted = [_relay(None, 1 + number * 4096 + n) for n in range(4096)]
        await ports.publish(f"{number}", wanted)
        await ports.publish(f"{number}", wanted)
    with pytest.raises(PortTaken) as raised:
        await ports.publish("3", [_relay("127.0.0.1", 4097)])
    assert raised.value.holder == "1"
    assert time.perf_counter() - began < SOON_S
