from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from typing import TYPE_CHECKING, Self

import pytest

from ring.network.keeper.relays import tcp
from ring.network.keeper.relays.budget import Budget
from ring.network.keeper.relays.tcp import Connections, TcpPort
from tests.network.keeper.loopback import free_port, subnet, until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

pytestmark = pytest.mark.anyio

MUCH = 8 * 1024 * 1024
RESET = struct.pack("ii", 1, 0)

Ends = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


class _Place:
    """A port, and what it leads to."""

    def __init__(self, budget: Budget | None = None) -> None:
        net = subnet()
        self.connections = Connections(budget or Budget())
        made = socket.create_server((f"{net}.1", 0))
        made.setblocking(False)
        self.address = made.getsockname()
        self.port = TcpPort(made, self.connections)
        self._close_port = self.port.close
        self.target = (f"{net}.2", free_port(f"{net}.2"))
        self._arrived: asyncio.Queue[Ends] = asyncio.Queue()
        self._writers: list[asyncio.StreamWriter] = []

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._take, *self.target)
        self.port.aim(*self.target)
        return self

    async def __aexit__(self, *_: object) -> None:
        self.close_port()
        await self.connections.close()
        for writer in self._writers:
            writer.close()
        self._server.close()
        await asyncio.sleep(0)

    def close_port(self) -> None:
        """Once."""
        close, self._close_port = self._close_port, lambda: None
        close()

    async def _take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.append(writer)
        self._arrived.put_nowait((reader, writer))

    async def connect(self) -> Ends:
        ends = await asyncio.open_connection(*self.address)
        self._writers.append(ends[1])
        return ends

    async def joined(self) -> tuple[Ends, Ends]:
        """The end of the client, and that of the instance."""
        client = await self.connect()
        async with asyncio.timeout(5):
            return client, await self._arrived.get()

    async def idle(self) -> None:
        """Until nothing is carried any more."""
        await until(lambda: not len(self.connections))


@pytest.fixture
async def place() -> AsyncIterator[_Place]:
    async with _Place() as one:
        yield one


async def _read(reader: asyncio.StreamReader) -> bytes:
    async with asyncio.timeout(10):
        return await reader.read()


async def test_what_is_sent_arrives_on_either_side(place: _Place) -> None:
    (reader, writer), (inner_reader, inner_writer) = await place.joined()
    writer.write(b"there")
    assert await inner_reader.readexactly(5) == b"there"
    inner_writer.write(b"back")
    assert await reader.readexactly(4) == b"back"


async def test_each_direction_ends_by_itself(place: _Place) -> None:
    (reader, writer), (inner_reader, inner_writer) = await place.joined()
    writer.write(b"question")
    writer.write_eof()
    assert await _read(inner_reader) == b"question"
    inner_writer.write(b"answer")
    inner_writer.write_eof()
    assert await _read(reader) == b"answer"
    await place.idle()


async def test_the_instance_may_end_first(place: _Place) -> None:
    (reader, writer), (inner_reader, inner_writer) = await place.joined()
    inner_writer.write(b"greeting")
    inner_writer.write_eof()
    assert await _read(reader) == b"greeting"
    writer.write(b"more")
    writer.write_eof()
    assert await _read(inner_reader) == b"more"
    await place.idle()


async def test_much_is_carried_whole(place: _Place) -> None:
    (reader, writer), (inner_reader, inner_writer) = await place.joined()
    content = bytes(range(256)) * (MUCH // 256)
    writer.write(content)
    writer.write_eof()
    inner_writer.write(content)
    inner_writer.write_eof()
    there, back = await asyncio.gather(_read(inner_reader), _read(reader))
    assert there == content
    assert back == content
    await place.idle()


async def test_no_more_is_read_than_can_be_written(place: _Place) -> None:
    """Who sends has to wait for who reads."""
    (_, writer), (inner_reader, _) = await place.joined()
    writer.transport.set_write_buffer_limits(high=0)
    sent = 0
    with contextlib.suppress(TimeoutError):
        while sent < 64 * MUCH:
            writer.write(bytes(65536))
            sent += 65536
            async with asyncio.timeout(0.2):
                await writer.drain()
    assert sent < 64 * MUCH
    assert len(await inner_reader.readexactly(sent)) == sent


@pytest.mark.parametrize("is_client", [True, False])
async def test_a_reset_is_one_on_the_other_side(place: _Place, is_client: bool) -> None:
    (reader, writer), (inner_reader, inner_writer) = await place.joined()
    mine, theirs = (writer, inner_reader) if is_client else (inner_writer, reader)
    mine.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
    mine.transport.abort()
    with pytest.raises(ConnectionResetError):
        await _read(theirs)
    await place.idle()


async def _is_reset(place: _Place) -> bool:
    try:
        reader, _ = await place.connect()
        await _read(reader)
    except ConnectionResetError:
        return True
    return False


async def test_a_port_that_leads_nowhere_resets(place: _Place) -> None:
    place.port.aim("", place.target[1])
    assert await _is_reset(place)


async def test_an_instance_that_does_not_listen_resets(place: _Place) -> None:
    place.port.aim(place.target[0], free_port(place.target[0]))
    assert await _is_reset(place)
    await place.idle()


async def test_the_next_connection_goes_where_it_is_aimed_then(place: _Place) -> None:
    (_, writer), (inner_reader, _) = await place.joined()
    place.port.aim("", 1)
    writer.write(b"still")
    assert await inner_reader.readexactly(5) == b"still"
    place.port.aim(*place.target)
    await place.joined()


async def test_connections_outlive_the_port(place: _Place) -> None:
    (_, writer), (inner_reader, _) = await place.joined()
    place.close_port()
    with pytest.raises(ConnectionRefusedError):
        await place.connect()
    writer.write(b"still")
    assert await inner_reader.readexactly(5) == b"still"


async def test_more_than_there_is_room_for_are_reset() -> None:
    async with _Place(Budget(connections=2)) as place:
        await place.joined()
        (_, writer), (_, inner_writer) = await place.joined()
        assert await _is_reset(place)
        writer.close()
        inner_writer.close()
        await until(lambda: len(place.connections) < 2)
        await place.joined()


async def test_one_that_is_half_open_for_nothing_is_ended(
    place: _Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    (_, writer), (inner_reader, _) = await place.joined()
    await place.joined()
    writer.write_eof()
    assert await _read(inner_reader) == b""
    place.connections.sweep()
    assert len(place.connections) == 2
    monkeypatch.setattr(tcp, "HALF_OPEN_S", -1.0)
    place.connections.sweep()
    await until(lambda: len(place.connections) < 2)
    assert len(place.connections) == 1
