"""The API on a real socket: what the server itself answers, and how it stops."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import http.client
import json
import signal
import socket
import sys
import termios
from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar

import pytest
import uvloop

from ring.api import capacity, connection, streams
from ring.api.serving import bind, serve
from ring.core.errors import HostError
from ring.core.model.events import EventDraft, Level
from ring.core.model.ids import DeploymentId
from ring.core.model.status import Status
from ring.core.plan.view import Plan, RowChange
from ring.security.peers import LOOPBACK

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from tests.api.world import World

T = TypeVar("T")


class Served:
    """The API of a world on a free port, for the time of one scenario."""

    def __init__(self, world: World, *, drain_s: float = 5.0) -> None:
        self.sock = bind("127.0.0.1", 0)
        self.port: int = self.sock.getsockname()[1]
        self.stop = asyncio.Event()
        self._world = world
        self._drain_s = drain_s

    def run(self, scenario: Callable[[], Awaitable[T]]) -> T:
        async def everything() -> T:
            async with asyncio.TaskGroup() as group:
                group.create_task(
                    serve(self._world.app, self.sock, stop=self.stop, drain_s=self._drain_s)
                )
                result = await scenario()
                self.stop.set()
            return result

        return self._world.run(everything())

    async def ask(self, method: str, path: str, **headers: str) -> tuple[int, bytes]:
        """One request on a connection of its own."""

        def blocking() -> tuple[int, bytes]:
            with closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)) as link:
                link.request(method, path, headers=headers)
                answer = link.getresponse()
                return answer.status, answer.read()

        return await asyncio.to_thread(blocking)

    async def send(self, data: bytes) -> bytes:
        """Everything the server says to these bytes until it closes."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        writer.write(data)
        answer = await reader.read()
        writer.close()
        return answer


@pytest.fixture
def served(world: World) -> Served:
    return Served(world)


def test_it_answers_and_stops(served: Served) -> None:
    async def scenario() -> tuple[int, bytes]:
        return await served.ask("GET", "/healthz")

    assert served.run(scenario) == (200, b'{"state":"UP"}')
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", served.port))


def test_signals_stay_with_whoever_has_them(served: Served) -> None:
    before = signal.getsignal(signal.SIGTERM)

    async def scenario() -> object:
        await served.ask("GET", "/healthz")
        return signal.getsignal(signal.SIGTERM)

    assert served.run(scenario) is before


def test_a_stream_does_not_hold_up_the_end(world: World, served: Served) -> None:
    made = world.apply().json["id"]
    head = f"GET /deployments/{made}/events?follow=true HTTP/1.1\r\nHost: x\r\n"
    request = f"{head}Authorization: Bearer {world.admin}\r\n\r\n".encode()

    async def scenario() -> bytes:
        reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
        writer.write(request)
        seen = await reader.readuntil(b"data: ")
        served.stop.set()
        rest = await asyncio.wait_for(reader.read(), 3)
        writer.close()
        return seen + rest

    answer = served.run(scenario)
    assert answer.startswith(b"HTTP/1.1 200")
    assert answer.endswith(b"0\r\n\r\n")


def test_garbage_after_a_request_does_not_end_up_in_its_answer(
    world: World, served: Served
) -> None:
    made = world.apply().json["id"]
    head = f"GET /deployments/{made}/events?follow=true HTTP/1.1\r\nHost: x\r\n"
    request = f"{head}Authorization: Bearer {world.admin}\r\n\r\n".encode()

    async def scenario() -> bytes:
        reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
        writer.write(request)
        await reader.readuntil(b"data: ")
        writer.write(b"\x00\x00\r\n\r\n")
        rest = await asyncio.wait_for(reader.read(), 3)
        writer.close()
        return rest

    assert b"HTTP/1.1" not in served.run(scenario)


def test_a_request_under_way_is_answered(world: World, served: Served) -> None:
    body = json.dumps({"name": "shop"}).encode()
    head = (
        "POST /namespaces HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\nExpect: 100-continue\r\n"
        f"Authorization: Bearer {world.admin}\r\n\r\n"
    )

    async def scenario() -> bytes:
        idle, idle_writer = await asyncio.open_connection("127.0.0.1", served.port)
        idle_writer.write(b"HEAD /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        await idle.readuntil(b"\r\n\r\n")
        reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
        writer.write(head.encode())
        assert (await reader.readline()).startswith(b"HTTP/1.1 100")
        served.stop.set()
        assert await idle.read() == b""  # from here on the server is stopping
        idle_writer.close()
        writer.write(body)
        answer = await asyncio.wait_for(reader.read(), 3)
        writer.close()
        return answer

    answer = served.run(scenario)
    assert b"HTTP/1.1 201" in answer
    assert b"connection: close" in answer.lower()


def test_a_request_that_does_not_end_is_cut_off(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    served = Served(world, drain_s=0.01)
    head = (
        "POST /namespaces HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        "Content-Length: 9\r\nExpect: 100-continue\r\n"
        f"Authorization: Bearer {world.admin}\r\n\r\n"
    )

    async def scenario() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
        writer.write(head.encode())
        assert (await reader.readline()).startswith(b"HTTP/1.1 100")
        served.stop.set()
        with contextlib.suppress(ConnectionResetError):
            assert await asyncio.wait_for(reader.read(), 3) == b"\r\n"
        writer.close()

    served.run(scenario)
    assert [record.getMessage() for record in caplog.records] == [
        "1 request(s) did not end in time and are cut off"
    ]


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"nonsense\r\n\r\n", 400),
        (b"GET /\x00 HTTP/1.1\r\nHost: x\r\n\r\n", 400),
        (b"GET /\xff\xfe HTTP/1.1\r\nHost: x\r\n\r\n", 400),
        (b"CONNECT x:1 HTTP/1.1\r\nHost: x\r\n\r\n", 400),
        (b"OPTIONS * HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", 404),
        (b"GET / HTTP/1.1\r\nHost: x\r\nX: a\x00b\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"a" * 70_000 + b"\r\n\r\n", 431),
        (b"GET / HTTP/1.1\r\nHost: x\r\n" + b"X: a\r\n" * 40_000 + b"\r\n", 431),
        (b"GET /" + b"a" * 70_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n", 431),
        (b"GET /%00%ff HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", 404),
        (
            b"GET /namespaces HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
            b"Authorization: Bearer \xff\xfe\r\n\r\n",
            401,
        ),
    ],
)
def test_garbage_is_refused_as_a_problem(
    served: Served, data: bytes, status: int, caplog: pytest.LogCaptureFixture
) -> None:
    async def scenario() -> bytes:
        return await served.send(data)

    head, _, body = served.run(scenario).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 %d " % status)
    assert b"content-type: application/problem+json" in head.lower()
    assert json.loads(body)["status"] == status
    assert "Traceback" not in caplog.text


CHUNKED = b" HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n"


@pytest.mark.parametrize(
    ("start", "status"),
    [
        (b"", 431),
        (b"GET /", 431),
        (b"GET / HTTP/1.1\r\nX: ", 431),
        (b"POST /namespaces" + CHUNKED + b"\r\n0\r\nX: ", 401),
        (b"POST /login" + CHUNKED + b"Content-Type: application/json\r\n\r\n0\r\nX: ", 431),
    ],
)
def test_a_line_without_end_is_refused_before_it_fills_the_memory(
    served: Served, start: bytes, status: int
) -> None:
    filler = b"\r\n" * 512 if not start else b"a" * 1024

    async def scenario() -> tuple[bytes, int]:
        reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
        answer = asyncio.ensure_future(reader.readline())
        writer.write(start)
        sent = 0
        with contextlib.suppress(ConnectionError):
            while not answer.done() and sent < 64 * 1024 * 1024:
                writer.write(filler)
                await writer.drain()
                sent += len(filler)
        writer.close()
        return await answer, sent

    answer, sent = served.run(scenario)
    assert answer.startswith(b"HTTP/1.1 %d " % status)
    assert sent < 16 * 1024 * 1024


def test_who_says_nothing_is_told_so(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "_HEAD_S", 0.05)

    async def scenario() -> list[bytes]:
        return [await served.send(data) for data in (b"", b"GET / HTTP/1.1\r\nHo")]

    for answer in served.run(scenario):
        assert answer.startswith(b"HTTP/1.1 408 Request Timeout\r\n")


UNENDED = b"POST /healthz HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n"


@pytest.mark.parametrize("more", [b"", b"a", b"a" * 1000])
def test_an_answer_before_the_end_of_its_request_is_the_last(
    served: Served, monkeypatch: pytest.MonkeyPatch, more: bytes
) -> None:
    monkeypatch.setattr(connection, "_LINGER_S", 0.05)

    async def scenario() -> bytes:
        reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
        writer.write(UNENDED)
        answer = await reader.readuntil(b"\r\n\r\n")
        writer.write(more)
        answer += await asyncio.wait_for(reader.read(), 3)
        await _ended(writer)
        return answer

    head, _, body = served.run(scenario).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 405 ")
    assert head.lower().count(b"connection: close") == 1
    assert json.loads(body)["status"] == 405


async def _ended(writer: asyncio.StreamWriter) -> None:
    """Waits until the server has closed its side for both."""
    with contextlib.suppress(ConnectionError):
        async with asyncio.timeout(3):
            while True:
                writer.write(b"a")
                await writer.drain()
                await asyncio.sleep(0)
    writer.close()


def test_a_client_that_sends_on_still_gets_its_answer(served: Served) -> None:
    async def scenario() -> bytes:
        return await served.send(UNENDED + b"a" * 1_000_000)

    assert served.run(scenario).startswith(b"HTTP/1.1 405 ")


def test_a_request_that_ends_before_its_answer_keeps_the_connection(served: Served) -> None:
    once = b"POST /healthz HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}"
    last = once.replace(b"Host", b"Connection: close\r\nHost")

    async def scenario() -> bytes:
        return await served.send(once + once + last)

    assert served.run(scenario).count(b"HTTP/1.1 405 ") == 3


def test_empty_lines_do_not_hold_a_connection(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "_HEAD_S", 0.05)

    async def scenario() -> bytes:
        reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
        writer.write(b"HEAD /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"\r\n")
        answer = await asyncio.wait_for(reader.read(), 3)
        writer.close()
        return answer

    assert served.run(scenario).startswith(b"HTTP/1.1 408 ")


def test_a_connection_too_many_is_refused(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(capacity, "MOST", 2)

    async def scenario() -> tuple[bytes, tuple[int, bytes]]:
        held = [await asyncio.open_connection("127.0.0.1", served.port) for _ in range(2)]
        refused = await served.send(b"")
        for reader, writer in held:
            writer.write_eof()
            await reader.read()
            writer.close()
        return refused, await served.ask("GET", "/healthz")

    refused, later = served.run(scenario)
    head, _, body = refused.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 503 Service Unavailable\r\n")
    assert b"Retry-After: 1\r\n" in head
    assert json.loads(body)["status"] == 503
    assert later[0] == 200


def test_far_too_many_are_not_even_answered(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(capacity, "MOST", 0)
    monkeypatch.setattr(capacity, "SPARE", 0)

    async def scenario() -> bytes:
        with contextlib.suppress(ConnectionResetError):
            return await served.send(b"")
        return b""

    assert served.run(scenario) == b""


@pytest.mark.parametrize(("exempt", "status"), [("nobody", 503), (LOOPBACK, 200)])
def test_one_peer_cannot_take_every_connection(
    served: Served, monkeypatch: pytest.MonkeyPatch, exempt: str, status: int
) -> None:
    monkeypatch.setattr(capacity, "MOST_OF_PEER", 0)
    monkeypatch.setattr(connection, "LOOPBACK", exempt)

    async def scenario() -> tuple[int, bytes]:
        return await served.ask("GET", "/healthz")

    assert served.run(scenario)[0] == status


@pytest.mark.parametrize(
    "rest",
    [
        b"Transfer-Encoding: xchunked\r\n\r\n",
        b"Transfer-Encoding: chunked\r\n\r\nnonsense\r\n",
    ],
)
@pytest.mark.parametrize("first", [b"", b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"])
def test_what_answers_a_broken_request_hears_that_nobody_listens(
    served: Served, first: bytes, rest: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    head = b"POST /login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"

    async def scenario() -> bytes:
        return await served.send(first + head + rest)

    answer = served.run(scenario)
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert answer.count(b"HTTP/1.1 ") == 1
    assert [record.levelname for record in caplog.records if record.exc_info] == []


def test_it_runs_on_uvloop(world: World) -> None:
    world.runner.close()
    world.runner = asyncio.Runner(loop_factory=uvloop.new_event_loop)
    served = Served(world)

    async def scenario() -> tuple[int, bytes]:
        authorization = f"Bearer {world.admin}"
        status, _ = await served.ask("GET", "/deployments", Authorization=authorization)
        return status, await served.send(UNENDED)

    status, last = served.run(scenario)
    assert status == 200
    assert last.startswith(b"HTTP/1.1 405 ")


def test_a_port_in_use_names_the_address() -> None:
    with closing(bind("127.0.0.1", 0)) as sock:
        port = sock.getsockname()[1]
        with pytest.raises(HostError) as caught:
            bind("127.0.0.1", port)
    assert caught.value.message == (
        f"Cannot start API server: address 127.0.0.1:{port} is already in use."
        " Is another ring instance running?"
    )


@pytest.mark.parametrize("host", ["192.0.2.1", "no such host"])
def test_another_failure_names_address_and_reason(host: str) -> None:
    with pytest.raises(HostError) as caught:
        bind(host, 3999)
    start = f"Cannot start API server: failed to bind to {host}:3999: "
    assert caught.value.message.startswith(start)
    assert len(caught.value.message) > len(start)


def test_a_v6_address_is_bound_and_written_in_brackets() -> None:
    with closing(bind("::1", 0)) as sock:
        port = sock.getsockname()[1]
        with pytest.raises(HostError, match=rf"address \[::1\]:{port} is"):
            bind("::1", port)


def stuck_on_events(world: World, served: Served) -> tuple[str, Callable[[], socket.socket]]:
    """A deployment with more to tell than fits between two sockets, and a client that asks for
    all of it and reads nothing."""
    made: str = world.apply().json["id"]
    draft = EventDraft(DeploymentId(made), Level.INFO, "scale_up", "x" * 20_000, "scheduler")
    world.run(world.store.record([draft] * 600))

    def connect() -> socket.socket:
        link = socket.socket()
        link.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        link.connect(("127.0.0.1", served.port))
        link.sendall(
            f"GET /deployments/{made}/events?follow=true&limit=1000 HTTP/1.1\r\nHost: x\r\n"
            f"Authorization: Bearer {world.admin}\r\n\r\n".encode()
        )
        assert link.recv(1) == b"H"
        return link

    return made, connect


def heard(link: socket.socket) -> bytes:
    """All that was still under way to a client; its connection is closed."""
    link.settimeout(5)
    pieces = []
    with contextlib.closing(link), contextlib.suppress(ConnectionResetError):
        while piece := link.recv(1 << 20):
            pieces.append(piece)
    return b"".join(pieces)


def test_a_client_that_does_not_read_does_not_hold_up_the_end(world: World) -> None:
    served = Served(world, drain_s=30)
    _, connect = stuck_on_events(world, served)

    async def scenario() -> tuple[float, socket.socket]:
        link = await asyncio.to_thread(connect)
        return asyncio.get_running_loop().time(), link

    began, link = served.run(scenario)
    assert world.runner.get_loop().time() - began < 3
    assert b"0\r\n\r\n" not in heard(link)


def test_a_client_that_does_not_read_is_cut_once_the_deployment_is_gone(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streams, "_TAKEN_S", 0.05)
    open_streams = world.app._services.streams
    open_streams.gone_s = 0.05
    served = Served(world)
    made, connect = stuck_on_events(world, served)

    async def scenario() -> bytes:
        link = await asyncio.to_thread(connect)
        row = world.store.deployment(DeploymentId(made))
        assert row is not None
        assert await world.store.commit(Plan(purge=(row,)))
        async with asyncio.timeout(5):
            while open_streams._open:  # noqa: ASYNC110 - what it does is what is asked
                await asyncio.sleep(0.01)
        return await asyncio.to_thread(heard, link)

    assert b"event: end" not in served.run(scenario)


def test_a_client_that_asks_on_has_taken_the_end_of_its_stream(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streams, "_TAKEN_S", 0.05)
    made = world.apply().json["id"]
    row = world.store.deployment(made)
    assert row is not None
    done = Plan(rows=(RowChange(row, replace(row, status=Status.COMPLETED)),))
    assert world.run(world.store.commit(done))
    served = Served(world)
    head = f" HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {world.admin}\r\n"

    async def scenario() -> bytes:
        reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
        writer.write(f"GET /deployments/{made}/events?follow=true{head}\r\n".encode())
        told = await reader.readuntil(b"0\r\n\r\n")
        assert b"deployment_created" in told
        writer.write(f"GET /deployments{head}Connection: close\r\n\r\n".encode())
        answer = await reader.read()
        writer.close()
        return answer

    assert made.encode() in served.run(scenario)


class Listed:
    """A deployment whose list of logs is longer than fits between two sockets."""

    def __init__(self, world: World, port: int) -> None:
        self._world = world
        self._port = port
        self.id: str = world.apply().json["id"]
        instance = world.instances.start(self.id, "aaaa")
        world.instances.engine.write(instance, ("x" * 60_000 + "\n") * 60)

    def connect(self, query: str = "?tail=60") -> socket.socket:
        """Who has read the first byte of it."""
        link = socket.socket()
        link.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        link.connect(("127.0.0.1", self._port))
        link.sendall(
            f"GET /deployments/{self.id}/logs{query} HTTP/1.1\r\nHost: x\r\n"
            f"Authorization: Bearer {self._world.admin}\r\n\r\n".encode()
        )
        assert link.recv(1) == b"H"
        return link

    def is_held(self) -> bool:
        """Of what it takes, something is not given back."""
        return bool(self._world.app._services.streams._open or self._world.engine.logs._room._taken)


def test_a_client_that_takes_nothing_of_a_long_list_is_cut(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "_IDLE_S", 0.2)
    served = Served(world)
    listed = Listed(world, served.port)

    async def scenario() -> bytes:
        link = await asyncio.to_thread(listed.connect)
        assert listed.is_held()
        async with asyncio.timeout(5):
            while listed.is_held():  # noqa: ASYNC110 - what it does is what is asked
                await asyncio.sleep(0.01)
        return await asyncio.to_thread(heard, link)

    assert b"0\r\n\r\n" not in served.run(scenario)


def test_a_client_that_takes_a_long_list_slowly_gets_all_of_it(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "_IDLE_S", 0.2)
    served = Served(world)
    listed = Listed(world, served.port)

    async def scenario() -> tuple[bytes, float]:
        loop = asyncio.get_running_loop()
        link = await asyncio.to_thread(listed.connect)
        link.setblocking(False)
        began, answer = loop.time(), b""
        with contextlib.closing(link):
            while not answer.endswith(b"]\r\n0\r\n\r\n"):
                rested = len(answer) // 100_000
                piece = await loop.sock_recv(link, 100_000)
                assert piece
                answer += piece
                if len(answer) // 100_000 > rested:
                    await asyncio.sleep(0.03)
        return answer, loop.time() - began

    answer, took_s = served.run(scenario)
    assert len(answer) > 60 * 60_000
    assert took_s > 0.8
    assert not listed.is_held()


def test_a_client_that_takes_nothing_of_a_whole_answer_is_cut(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "_IDLE_S", 0.2)
    served = Served(world, drain_s=30)
    listed = Listed(world, served.port)

    async def scenario() -> tuple[float, socket.socket]:
        link = await asyncio.to_thread(listed.connect, "?tail=15")
        assert not listed.is_held()
        return asyncio.get_running_loop().time(), link

    began, link = served.run(scenario)
    assert world.runner.get_loop().time() - began < 3
    assert not heard(link).endswith(b"]")


def test_a_follower_may_pause(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "_IDLE_S", 0.05)
    served = Served(world)
    listed = Listed(world, served.port)

    async def scenario() -> bool:
        link = await asyncio.to_thread(listed.connect, "?follow=true&tail=60")
        with contextlib.closing(link):
            await asyncio.sleep(0.5)
            return listed.is_held()

    assert served.run(scenario)


def test_a_client_that_asks_on_without_reading_is_cut_all_the_same(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streams, "_TAKEN_S", 0.2)
    world.app._services.streams.gone_s = 0.05
    served = Served(world)
    listed = Listed(world, served.port)

    async def scenario() -> None:
        link = await asyncio.to_thread(listed.connect, "?follow=true&tail=60")
        await _stuck(link)
        row = world.store.deployment(DeploymentId(listed.id))
        assert row is not None
        assert await world.store.commit(Plan(purge=(row,)))
        with contextlib.closing(link):
            async with asyncio.timeout(5):
                while world.instances._watchers:  # noqa: ASYNC110 - the stream ends, and is not taken
                    await asyncio.sleep(0.01)
                link.sendall(b"GET /healthz HTTP/1.1\r\n")
                while listed.is_held():  # noqa: ASYNC110 - what it does is what is asked
                    await asyncio.sleep(0.01)

    served.run(scenario)


async def _stuck(link: socket.socket) -> None:
    """Until nothing has moved for some looks: what lies between is full."""
    looks = [0]
    while looks[-1] == 0 or looks[-10:] != looks[-1:] * 10:
        await asyncio.sleep(0.01)
        waiting = fcntl.ioctl(link, termios.FIONREAD, bytes(4))
        looks.append(int.from_bytes(waiting, sys.byteorder))
