"""Ports of instances over the API: whole both ways, each way to its own end, and recorded."""

from __future__ import annotations

import asyncio
import hashlib
import os
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from ring.api import capacity
from ring.api.connection import Connection
from ring.core.channels import Kind
from ring.engine.entering import Entering, Unanswered
from tests.api.channel import UPGRADE, ClientChannel, Refused
from tests.api.test_serving import Served

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from tests.api.world import World

CONTENT = b"C" + os.urandom(1024 * 1024)
FLOOD = b"F"
"""Is answered without end."""


class Scene:
    """A deployment whose instance listens: it answers the whole of what it reads with its hash."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.id: str = world.apply().json["id"]
        self.instance = world.instances.start(self.id, "0000000a")
        self.address("127.0.0.1")
        self.served = Served(world)
        self.port = 0
        self.gone = asyncio.Event()
        self.connected = 0
        self.left = asyncio.Event()
        """A connection to the instance has ended, however it did."""
        self._opened: list[ClientChannel] = []

    def address(self, address: str | None) -> None:
        container = self.world.instances.engine.containers[self.instance]
        container.instance = replace(container.instance, address=address)

    def run(self, scenario: Callable[[], Awaitable[None]]) -> None:
        async def everything() -> None:
            server = await asyncio.start_server(self._answer, "127.0.0.1", 0)
            self.port = server.sockets[0].getsockname()[1]
            try:
                await scenario()
            finally:
                for channel in self._opened:
                    channel.close()
                server.close()
                await asyncio.sleep(0)

        self.served.run(everything)

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connected += 1
        try:
            if (first := await reader.read(1)) == FLOOD:
                while True:
                    writer.write(bytes(65536))
                    await writer.drain()
            found = hashlib.sha256(first + await reader.read()).hexdigest()
            writer.write(found.encode())
            await writer.drain()
        except ConnectionError:
            self.gone.set()
        finally:
            self.left.set()
            writer.close()

    async def ask(self) -> asyncio.StreamWriter:
        """For a channel, without waiting for the answer."""
        _, writer = await asyncio.open_connection("127.0.0.1", self.served.port)
        given = {"Host": "x", "Authorization": f"Bearer {self.world.admin}", **UPGRADE}
        path = f"/deployments/{self.id}/port-forward?port={self.port}"
        head = [f"GET {path} HTTP/1.1", *(f"{key}: {value}" for key, value in given.items())]
        writer.write("\r\n".join([*head, "", ""]).encode())
        return writer

    async def open(self, port: int | None = None, query: str = "") -> ClientChannel:
        path = f"/deployments/{self.id}/port-forward?port={self.port if port is None else port}"
        admin = self.world.admin
        channel = await ClientChannel.open(self.served.port, f"{path}{query}", admin)
        self._opened.append(channel)
        return channel

    async def refused(self, port: int | None = None, query: str = "") -> str:
        """Status and why."""
        with pytest.raises(Refused) as told:
            await self.open(port, query)
        return str(told.value)


@pytest.fixture
def scene(world: World) -> Scene:
    return Scene(world)


def test_each_way_ends_by_itself(scene: Scene) -> None:
    async def main() -> None:
        channel = await scene.open()
        assert channel.head["x-ring-instance"] == "shop_web_0000000a"
        await channel.send(Kind.BEGIN)
        for start in range(0, len(CONTENT), 16384):
            await channel.send(Kind.INPUT, CONTENT[start : start + 16384])
        await channel.send(Kind.END)
        told = [await channel.next() for _ in range(3)]
        assert told == [
            (Kind.OUTPUT, hashlib.sha256(CONTENT).hexdigest().encode()),
            (Kind.END, b""),
            (Kind.STATUS, b'{"code":0}'),
        ]

    scene.run(main)


@pytest.mark.parametrize("has_ended", [False, True])
def test_a_client_that_is_gone_leaves_no_connection(scene: Scene, *, has_ended: bool) -> None:
    async def main() -> None:
        channel = await scene.open()
        await channel.send(Kind.BEGIN)
        await channel.send(Kind.INPUT, FLOOD)
        if has_ended:
            await channel.send(Kind.END)
        channel.close()
        async with asyncio.timeout(5):
            await scene.gone.wait()

    scene.run(main)


def test_the_end_of_the_server_ends_it(scene: Scene) -> None:
    async def main() -> None:
        channel = await scene.open()
        await channel.send(Kind.BEGIN)
        scene.served.stop.set()
        assert await channel.next() == (Kind.STATUS, b'{"error":"the server stops"}')

    scene.run(main)


def test_why_it_cannot_be(scene: Scene) -> None:
    async def main() -> None:
        closed = await asyncio.start_server(lambda _r, _w: None, "127.0.0.1", 0)
        unused = closed.sockets[0].getsockname()[1]
        closed.close()
        told = await scene.refused(unused)
        assert told.startswith("502 ")
        assert f"nothing listens on port {unused} of instance shop_web_0000000a" in told
        for port in (0, 65536):
            assert "'port' must be from 1 to 65535" in await scene.refused(port)
        assert "is called 'other'" in await scene.refused(query="&instance=other")
        scene.address(None)
        assert "has no address" in await scene.refused()
        scene.world.instances.runtime.is_remote = True
        assert "is on another host" in await scene.refused()
        scene.world.instances.engine.exit(scene.instance, 1)
        assert "409" in await scene.refused()

    scene.run(main)


def test_the_ports_of_the_host_are_not_an_instances(world: World) -> None:
    scene = Scene(world)
    scene.id = world.apply(name="edge", network={"mode": "host"}).json["id"]
    world.instances.start(scene.id, "0000000b")

    async def main() -> None:
        assert "its ports are the host's own" in await scene.refused()

    scene.run(main)


def test_the_audit_trail_has_who_and_where_once_for_a_while(scene: Scene) -> None:
    async def connect() -> None:
        channel = await scene.open()
        await channel.send(Kind.BEGIN)
        await channel.send(Kind.END)
        while await channel.next() is not None:
            pass

    async def main() -> None:
        await connect()
        await connect()
        scene.world.clock.advance(601)
        await connect()

    scene.run(main)
    entries = scene.world.call("GET", "/audit?action=port_forward").json
    wanted = ("instance", f"shop_web_0000000a: port {scene.port}", "shop")
    assert [(one["target_type"], one["target_name"], one["namespace"]) for one in entries] == [
        wanted,
        wanted,
    ]


@pytest.mark.parametrize("kind", [Kind.SIZE, Kind.OUTPUT])
def test_what_is_not_in_the_protocol_ends_it(scene: Scene, kind: Kind) -> None:
    async def main() -> None:
        channel = await scene.open()
        await channel.send(kind)
        found = await channel.next()
        assert found == (Kind.STATUS, b'{"error":"the first message is not BEGIN"}')

    scene.run(main)


def test_what_cannot_be_recorded_is_not_reached(scene: Scene) -> None:
    scene.world._write("DROP TABLE audit_log")
    scene.world._write("CREATE VIEW audit_log AS SELECT 1 AS seq")

    async def main() -> None:
        assert (await scene.refused()).startswith("500 ")
        assert scene.connected == 0

    scene.run(main)


@pytest.mark.parametrize("how", ["gone", "babbling"])
def test_a_client_that_does_not_wait_for_the_answer_leaves_no_connection(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, how: str
) -> None:
    reached, lost, go_on = asyncio.Event(), asyncio.Event(), asyncio.Event()
    connect, abandon = Entering.connect, Connection._abandon

    def told(connection: Connection) -> None:
        abandon(connection)
        lost.set()

    monkeypatch.setattr(Connection, "_abandon", told)

    async def late(*args: Any) -> object:
        found = await connect(*args)
        reached.set()
        await go_on.wait()
        return found

    monkeypatch.setattr(Entering, "connect", late)

    async def main() -> None:
        streams = scene.world.app._services.streams
        link = await scene.ask()
        async with asyncio.timeout(5):
            await reached.wait()
            assert streams.channels == 1
            if how == "gone":
                link.transport.abort()
            else:
                link.write(b"neither a request nor a message\r\n\r\n")
            await lost.wait()
            go_on.set()
            await scene.left.wait()
            while streams.channels:  # noqa: ASYNC110 - another task's state
                await asyncio.sleep(0)
        link.transport.abort()

    scene.run(main)
    assert "ERROR" not in caplog.text


def test_so_many_at_once_those_that_are_not_reached_yet_among_them(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    go_on = asyncio.Event()

    async def in_vain(*_: object) -> None:
        await go_on.wait()
        raise Unanswered("nobody answers")

    monkeypatch.setattr(capacity, "CHANNELS", 1)
    monkeypatch.setattr(Entering, "connect", in_vain)

    async def main() -> None:
        streams = scene.world.app._services.streams
        link = await scene.ask()
        async with asyncio.timeout(5):
            while not streams.channels:  # noqa: ASYNC110 - another task's state
                await asyncio.sleep(0)
        assert (await scene.refused()).startswith("503 ")
        go_on.set()
        link.transport.abort()

    scene.run(main)
