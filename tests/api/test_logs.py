"""Logs over HTTP: pages, streams, and everything that ends a stream."""

from __future__ import annotations

import asyncio
import json
import socket
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from ring.api import streams
from ring.api.gate import Gate
from ring.api.routes import logs
from ring.api.serving import bind, serve
from ring.api.table import ROUTES
from ring.core.model.failures import FailureClass
from ring.core.model.ids import DeploymentId
from ring.core.plan.view import Plan
from ring.engine.reading.places import Room
from ring.runtimes.base import RuntimeFailure, Unavailable
from tests.api.client import Exchange, Question

if TYPE_CHECKING:
    from collections.abc import Callable

    from ring.core.model.ids import InstanceId
    from ring.runtimes.base import RuntimeEvent
    from ring.runtimes.fake import Request
    from tests.api.client import Reply
    from tests.api.world import World


@pytest.fixture
def made(world: World) -> str:
    """A deployment with two instances: `a` wrote two lines, `b` one."""
    made: str = world.apply().json["id"]
    a, b = world.instances.start(made, "aaaa"), world.instances.start(made, "bbbb")
    world.instances.engine.write(a, "a1\n[error] a2\n")
    world.instances.engine.write(b, "b1\n", "stderr")
    return made


def one(world: World, index: int) -> InstanceId:
    return list(world.instances.engine.containers)[index]


def read(world: World, made: str, query: str = "", **options: Any) -> Reply:
    return world.call("GET", f"/deployments/{made}/logs{query}", **options)


def messages(reply: Reply) -> list[str]:
    return [entry["message"] for entry in reply.json]


def data(piece: bytes) -> list[Any]:
    assert piece.endswith(b"\n\n")
    found = piece.removesuffix(b"\n\n").split(b"\n\n")
    assert all(part.startswith(b"data: {") and b"\n" not in part for part in found)
    return [json.loads(part[6:]) for part in found]


def test_a_page(world: World, made: str) -> None:
    reply = read(world, made)
    assert (reply.status, reply.headers["content-type"]) == (200, "application/json")
    assert messages(reply) == ["a1", "[error] a2", "b1"]
    last = reply.json[-1]
    at = world.instances.engine.containers[one(world, 1)].lines[0].at
    assert at is not None
    assert last == {
        "instance": "shop_web_bbbb",
        "message": "b1",
        "level": "unknown",
        "timestamp": at.strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
        "stream": "stderr",
    }
    assert b'"message":"b1","level":"unknown"' in reply.body


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("?tail=1", ["[error] a2", "b1"]),
        ("?tail=0", []),
        ("?tail=99999999999999999999", ["a1", "[error] a2", "b1"]),
        ("?container=web_b", ["b1"]),
        ("?container=00-a", ["a1", "[error] a2"]),
        ("?container=0-a", []),
        ("?container=", ["a1", "[error] a2", "b1"]),
        ("?since=2100-01-01T00:00:00Z", []),
        ("?since=87600h", ["a1", "[error] a2", "b1"]),
        ("?follow=false", ["a1", "[error] a2", "b1"]),
    ],
)
def test_filters(world: World, made: str, query: str, found: list[str]) -> None:
    assert messages(read(world, made, query)) == found


def test_a_hundred_lines_of_each_by_default(world: World, made: str) -> None:
    world.instances.engine.write(one(world, 0), "x\n" * 500)
    assert len(messages(read(world, made))) == 101
    assert len(messages(read(world, made, "?tail=400"))) == 401


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("?tail=x", "tail"),
        ("?tail=-1", "tail"),
        ("?tail=1.5", "tail"),
        ("?since=5x", "since"),
        ("?since=", "since"),
        ("?follow=1", "follow"),
    ],
)
def test_bad_queries(world: World, made: str, query: str, names: str) -> None:
    for target in (made, "unknown"):
        reply = read(world, target, query)
        assert reply.status == 400
        assert f"'{names}'" in reply.json["detail"]


def test_an_unknown_deployment_has_no_lines(world: World) -> None:
    for query in ("", "?follow=true"):
        reply = read(world, "unknown", query)
        assert (reply.status, reply.body) == (200, b"[]")


def test_who_may_read(world: World, made: str) -> None:
    reader = world.token(scopes=["deployments:read"])
    assert read(world, made, token=reader).status == 200
    assert read(world, made, token=world.token(scopes=["namespaces:read"])).status == 403
    bound = world.token(scopes=["admin"], namespaces=["staging"])
    for query in ("", "?follow=true"):
        reply = read(world, made, query, token=bound)
        assert reply.json["detail"] == "token is not scoped to namespace 'shop'"
    assert read(world, "unknown", token=bound).body == b"[]"
    assert read(world, made, token=None).status == 401


def test_a_runtime_that_is_not_driven(world: World, made: str) -> None:
    world.engine.logs._runtimes = {}
    reply = read(world, made, "?follow=true")
    assert (reply.status, reply.json["detail"]) == (404, "this server drives no runtime 'docker'")


AWAY = "the runtime cannot be asked for logs now"
HINT = "no permission on /var/run/docker.sock; run as root"


@pytest.mark.parametrize(
    ("failure", "detail"),
    [
        (Unavailable(HINT), AWAY),
        (
            RuntimeFailure(FailureClass.OTHER, HINT),
            "the runtime refuses to tell these logs; the server's log says why",
        ),
    ],
)
def test_why_a_runtime_fails_is_for_the_log_alone(
    world: World,
    made: str,
    failure: RuntimeFailure,
    detail: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    world.instances.engine.refusals["logs"] = failure
    for _ in range(3):
        reply = read(world, made)
        assert (reply.status, reply.json["detail"]) == (500, detail)
        assert b"docker.sock" not in reply.body
    said = [(record.levelname, record.getMessage()) for record in caplog.records]
    assert said == [("WARNING", f"cannot read logs: {HINT}")]


def test_a_long_answer_that_breaks_off_does_not_say_why(
    world: World, made: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(logs, "_WHOLE_BYTES", 10)

    async def broken_off() -> bytes:
        exchange = world.open("GET", f"/deployments/{made}/logs")
        assert (await exchange.head()).status == 200
        world.instances.engine.refusals["logs"] = Unavailable(HINT)
        return b"".join([piece async for piece in exchange.pieces()])

    body = world.run(broken_off())
    assert b'"a1"' in body
    assert b'"b1"' not in body
    assert not body.endswith(b"]")
    assert b"docker.sock" not in body
    assert [record.getMessage() for record in caplog.records] == [f"cannot read logs: {HINT}"]


def test_a_stream_does_not_say_why_a_runtime_fails(world: World, made: str) -> None:
    world.instances.engine.refusals["logs"] = RuntimeFailure(FailureClass.OTHER, HINT)

    async def follow() -> bytes:
        exchange = world.open("GET", f"/deployments/{made}/logs?follow=true")
        assert (await exchange.head()).status == 200
        await asyncio.sleep(0)
        world.app.end_streams()
        return b"".join([piece async for piece in exchange.pieces()])

    assert world.run(follow()) == b""


# how much is read at once


def test_a_stream_that_cannot_have_all_instances_is_refused(world: World, made: str) -> None:
    world.engine.logs._room = Room(most=3, most_of_one=2)
    other = world.token(world.user("mira", "viewer"), ["deployments:read"], namespaces=["shop"])
    target = f"/deployments/{made}/logs"

    async def follow() -> None:
        first = world.open("GET", f"{target}?follow=true")
        assert (await first.head()).status == 200
        for query in ("?follow=true", ""):
            refused = await world.open("GET", f"{target}{query}").reply()
            assert (refused.status, refused.headers["retry-after"]) == (503, "5")
            assert "too many instances are being read" in refused.json["detail"]
        refused = await world.open("GET", f"{target}?follow=true", token=other).reply()
        assert refused.status == 503
        narrow = world.open("GET", f"{target}?follow=true&container=aaaa", token=other)
        assert (await narrow.head()).status == 200
        await anext(first.pieces())
        await anext(narrow.pieces())
        assert len(world.instances.engine.readers) == 3
        for exchange in (first, narrow):
            await exchange.leave()
        again = world.open("GET", f"{target}?follow=true", token=other)
        assert (await again.head()).status == 200
        await again.leave()

    world.run(follow())
    assert not world.engine.logs._room._taken


def test_more_instances_than_anybody_may_read_are_told_apart(world: World, made: str) -> None:
    world.engine.logs._room = Room(most=3, most_of_one=1)
    reply = read(world, made, "?follow=true")
    assert reply.status == 503
    assert "it has 2 instances and at most 1 are read at once" in reply.json["detail"]


@pytest.mark.parametrize("query", ["", "?follow=true"])
def test_head_keeps_no_place(
    world: World, made: str, query: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logs, "_WHOLE_BYTES", 10)
    assert world.call("HEAD", f"/deployments/{made}/logs{query}").status == 200
    world.run(asyncio.sleep(0))
    assert not world.engine.logs._room._taken
    assert not world.app._services.streams._open


def test_a_long_list_counts_as_a_stream(
    world: World, made: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logs, "_WHOLE_BYTES", 10)
    monkeypatch.setattr(streams, "_MOST_OF_ONE", 1)
    target = f"/deployments/{made}/logs"

    async def ask() -> list[int]:
        first = world.open("GET", f"{target}?follow=true")
        statuses = [(await first.head()).status]
        refused = await world.open("GET", target).reply()
        await first.leave()
        statuses += [refused.status, (await world.open("GET", target).reply()).status]
        return statuses

    assert world.run(ask()) == [200, 503, 200]
    assert not world.engine.logs._room._taken


def test_a_long_answer_is_sent_while_it_is_read(
    world: World, made: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logs, "_WHOLE_BYTES", 100)
    world.instances.engine.write(one(world, 0), "é\n" * 50)
    reply = read(world, made, "?tail=60")
    assert "content-length" not in reply.headers
    assert reply.headers["content-type"] == "application/json"
    assert messages(reply) == ["a1", "[error] a2", *["é"] * 50, "b1"]


class Late:
    """An engine that answers in its own time."""

    def requested(self, request: Request) -> None:
        asyncio.get_running_loop().call_later(0.05, request.perform)

    def happened(self, event: RuntimeEvent, deliver: Callable[[RuntimeEvent], None]) -> None:
        deliver(event)


def test_reading_has_no_deadline(world: World, made: str) -> None:
    world.instances.engine.traffic = Late()
    gate = Gate(ROUTES, replace(world.app._services, request_s=0.01))
    headers = (("Authorization", f"Bearer {world.admin}"),)

    async def patient() -> Reply:
        return await Exchange(gate, Question("GET", f"/deployments/{made}/logs", headers)).reply()

    assert messages(world.run(patient())) == ["a1", "[error] a2", "b1"]


def test_a_stream(world: World, made: str) -> None:
    async def follow() -> None:
        exchange = world.open("GET", f"/deployments/{made}/logs?follow=true&tail=1")
        head = await exchange.head()
        assert head.status == 200
        assert head.headers["content-type"] == "text/event-stream"
        assert head.headers["cache-control"] == "no-cache"
        assert head.headers["referrer-policy"] == "no-referrer"
        pieces = exchange.pieces()
        found: list[str] = []
        while len(found) < 2:
            found += [entry["message"] for entry in data(await anext(pieces))]
        assert sorted(found) == ["[error] a2", "b1"]
        world.instances.engine.write(one(world, 1), "b2\nb3\n")
        found = []
        while len(found) < 2:
            found += [entry["message"] for entry in data(await anext(pieces))]
        assert found == ["b2", "b3"]
        later = world.instances.start(made, "cccc")
        world.instances.engine.write(later, "c1\n")
        (entry,) = data(await anext(pieces))
        assert (entry["instance"], entry["message"]) == ("shop_web_cccc", "c1")
        row = world.store.deployment(DeploymentId(made))
        assert row is not None
        for instance_id in list(world.instances.engine.containers):
            world.instances.engine.remove(instance_id)
        assert await world.store.commit(Plan(purge=(row,)))
        assert [piece async for piece in pieces] == [b"event: end\ndata: {}\n\n"]
        assert world.instances.engine.readers == set()

    world.run(follow())


def test_silence_is_filled(world: World, made: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "KEEP_ALIVE_S", 0.0)
    monkeypatch.setattr(logs, "_TICK_S", 0.01)

    async def follow() -> bytes:
        exchange = world.open("GET", f"/deployments/{made}/logs?follow=true&tail=0")
        await exchange.head()
        piece = await anext(exchange.pieces())
        await exchange.leave()
        return piece

    assert world.run(follow()) == b":\n\n"


def test_a_client_that_leaves_releases_everything(world: World, made: str) -> None:
    async def follow() -> None:
        exchange = world.open("GET", f"/deployments/{made}/logs?follow=true")
        await exchange.head()
        await anext(exchange.pieces())
        assert len(world.instances.engine.readers) == 2
        await exchange.leave()
        assert world.instances.engine.readers == set()
        assert world.instances._watchers == []

    world.run(follow())


def test_the_end_of_the_server_ends_open_and_later_streams(world: World, made: str) -> None:
    async def follow() -> list[bytes]:
        target = f"/deployments/{made}/logs?follow=true"
        exchange = world.open("GET", target)
        await exchange.head()
        pieces = exchange.pieces()
        await anext(pieces)
        world.app.end_streams()
        rest = [piece async for piece in pieces]
        await world.open("GET", target).reply()
        assert world.instances.engine.readers == set()
        return rest

    assert b"event: end" not in b"".join(world.run(follow()))


def test_head_opens_no_stream(world: World, made: str) -> None:
    reply = world.call("HEAD", f"/deployments/{made}/logs?follow=true")
    assert (reply.status, reply.body) == (200, b"")
    assert world.instances.engine.readers == set()


async def _readers(world: World, count: int) -> None:
    """Waits until so many instances are being followed."""
    while len(world.instances.engine.readers) < count:  # noqa: ASYNC110 - another connection's state
        await asyncio.sleep(0.01)


def test_a_client_that_does_not_read_delays_neither_others_nor_the_end(
    world: World, made: str
) -> None:
    """Over a real connection: its buffers fill, the reading stops, the server ends all the same."""
    world.instances.engine.write(one(world, 0), ("x" * 60_000 + "\n") * 400)

    async def story() -> None:
        listening = bind("127.0.0.1", 0)
        port = listening.getsockname()[1]
        stop = asyncio.Event()
        server = asyncio.ensure_future(serve(world.app, listening, stop=stop, drain_s=0.2))
        stalled = socket.create_connection(("127.0.0.1", port))
        target = f"/deployments/{made}/logs?follow=true&tail=400"
        head = f"GET {target} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {world.admin}\r\n\r\n"
        stalled.sendall(head.encode())
        async with asyncio.timeout(10):
            await _readers(world, 1)
            exchange = world.open("GET", f"/deployments/{made}/logs?follow=true&tail=0")
            await exchange.head()
            pieces = exchange.pieces()
            waiting = asyncio.ensure_future(anext(pieces))
            await _readers(world, 3)
            world.instances.engine.write(one(world, 1), "soon\n")
            assert [entry["message"] for entry in data(await waiting)] == ["soon"]
            await exchange.leave()
            stop.set()
            await server
        stalled.close()
        assert world.instances.engine.readers == set()

    world.run(story())
