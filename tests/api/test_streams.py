"""Followed events: what is sent, and everything that ends a stream."""

from __future__ import annotations

import asyncio
import json
import logging
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from ring.api import streams
from ring.api.streams import EventStream, Streams
from ring.clock import rfc3339
from ring.core.model.events import EventDraft, Level
from ring.core.model.ids import DeploymentId
from ring.core.model.status import Status
from ring.core.plan.view import Plan, RowChange
from tests.api.client import Exchange, Question

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from tests.api.world import World


def _reason(piece: bytes) -> str:
    assert piece.startswith(b"data: {")
    assert piece.endswith(b"}\n\n")
    reason: str = json.loads(piece[6:])["reason"]
    return reason


def _draft(deployment_id: str, reason: str) -> EventDraft:
    return EventDraft(DeploymentId(deployment_id), Level.INFO, reason, reason, "scheduler")


def _purge(world: World, deployment_id: str) -> Plan:
    row = world.store.deployment(DeploymentId(deployment_id))
    assert row is not None
    return Plan(purge=(row,))


def test_events_are_followed_until_the_row_is_purged(world: World) -> None:
    made = world.apply().json["id"]
    world.clock.advance(1)
    world.run(world.store.record([_draft(made, "first")]))

    async def follow() -> list[bytes]:
        exchange = world.open("GET", f"/deployments/{made}/events?follow=true&limit=2")
        head = await exchange.head()
        assert head.status == 200
        assert head.headers["content-type"] == "text/event-stream"
        assert head.headers["cache-control"] == "no-cache"
        assert head.headers["referrer-policy"] == "no-referrer"
        pieces = exchange.pieces()
        found = [await anext(pieces), await anext(pieces)]
        world.clock.advance(1)
        await world.store.record([_draft(made, "second"), _draft(made, "third")])
        found += [await anext(pieces), await anext(pieces)]
        assert await world.store.commit(_purge(world, made))
        return found + [piece async for piece in pieces]

    found = world.run(follow())
    assert found.pop() == b"event: end\ndata: {}\n\n"
    reasons = [_reason(piece) for piece in found]
    assert reasons == ["deployment_created", "first", "second", "third"]


def test_following_from_now_on_tells_new_events_only(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streams, "KEEP_ALIVE_S", 0.0)  # silence is heard at once
    made = world.apply().json["id"]

    async def follow() -> list[bytes]:
        exchange = world.open("GET", f"/deployments/{made}/events?follow=true&limit=0")
        await exchange.head()
        pieces = exchange.pieces()
        assert await anext(pieces) == streams.KEEP_ALIVE
        world.clock.advance(1)
        await world.store.record([_draft(made, "first")])
        told = (piece async for piece in pieces if piece != streams.KEEP_ALIVE)
        found = [await anext(told)]
        assert await world.store.commit(_purge(world, made))
        return found + [piece async for piece in told]

    found = world.run(follow())
    assert found.pop() == streams.END
    assert [_reason(piece) for piece in found] == ["first"]


def test_a_row_purged_while_nothing_happens_ends_the_stream(world: World) -> None:
    made = world.apply().json["id"]

    async def follow() -> list[bytes]:
        exchange = world.open("GET", f"/deployments/{made}/events?follow=true&limit=0")
        await exchange.head()
        assert await world.store.commit(_purge(world, made))
        return [piece async for piece in exchange.pieces()]

    assert world.run(follow()) == [b"event: end\ndata: {}\n\n"]


def test_a_finished_deployment_ends_the_stream(world: World) -> None:
    made = world.apply().json["id"]
    row = world.store.deployment(made)
    assert row is not None
    done = Plan(rows=(RowChange(row, replace(row, status=Status.COMPLETED)),))
    assert world.run(world.store.commit(done))
    reply = world.call("GET", f"/deployments/{made}/events?follow=true")
    assert reply.body.count(b"data: ") == 1
    assert b"event:" not in reply.body


@pytest.mark.parametrize("level", ["error", "nonsense"])
def test_following_takes_the_level(world: World, level: str) -> None:
    made = world.apply().json["id"]

    async def follow() -> list[bytes]:
        exchange = world.open("GET", f"/deployments/{made}/events?follow=true&level={level}")
        await exchange.head()
        world.app.end_streams()
        return [piece async for piece in exchange.pieces()]

    assert world.run(follow()) == []


def test_head_does_not_follow(world: World) -> None:
    made = world.apply().json["id"]
    reply = world.call("HEAD", f"/deployments/{made}/events?follow=true")
    assert (reply.status, reply.body) == (200, b"")


def test_the_end_of_the_server_ends_open_and_later_streams(world: World) -> None:
    made = world.apply().json["id"]
    target = f"/deployments/{made}/events?follow=true"

    async def follow() -> bytes:
        exchange = world.open("GET", target)
        await exchange.head()
        await anext(exchange.pieces())
        world.app.end_streams()
        return (await world.open("GET", target).reply()).body

    assert b"event: end" not in world.run(follow())


@pytest.mark.parametrize("what", ["events", "logs"])
def test_a_token_that_is_revoked_ends_its_stream_at_once(world: World, what: str) -> None:
    made = world.apply().json["id"]
    streams = world.app._services.streams
    streams.recheck_s = 3600.0
    token, other = world.session("admin"), world.session("admin")

    async def follow() -> None:
        target = f"/deployments/{made}/{what}?follow=true"
        exchange, another = (world.open("GET", target, token=one) for one in (token, other))
        async with asyncio.timeout(5):
            for one in (exchange, another):
                await one.head()
            assert (await world.open("POST", "/logout", token=token).reply()).status == 204
            while streams._open.total() > 1:  # noqa: ASYNC110 - another task's state
                await asyncio.sleep(0)
            async for _ in exchange.pieces():
                pass
        assert not another._task.done(), "a session of the same user that goes on"
        await another.leave()

    world.run(follow())
    assert not streams._doubts


def test_a_token_that_expires_ends_its_stream(world: World) -> None:
    made = world.apply().json["id"]
    world.app._services.streams.recheck_s = 0.001
    until = rfc3339(world.clock.wall() + timedelta(seconds=5))
    token = world.token(scopes=["deployments:read"], expire_at=until)

    async def follow() -> list[bytes]:
        exchange = world.open("GET", f"/deployments/{made}/events?follow=true", token=token)
        await exchange.head()
        pieces = exchange.pieces()
        found = [await anext(pieces)]
        world.clock.advance(6)
        return found + [piece async for piece in pieces]

    assert len(world.run(follow())) == 1


def test_open_streams_are_bounded(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "_MOST_OPEN", 1)
    made = world.apply().json["id"]
    target = f"/deployments/{made}/events?follow=true"

    async def follow() -> list[int]:
        first = world.open("GET", target)
        statuses = [(await first.head()).status]
        refused = await world.open("GET", target).reply()
        assert refused.headers["retry-after"] == "5"
        await first.leave()
        later = world.open("GET", target)
        statuses += [refused.status, (await later.head()).status]
        await later.leave()
        return statuses

    assert world.run(follow()) == [200, 503, 200]


def test_one_user_does_not_keep_all_others_out(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streams, "_MOST_OF_ONE", 1)
    made = world.apply().json["id"]
    target = f"/deployments/{made}/events?follow=true"
    world.user("mira", "viewer")
    other, another = (world.token("mira", ["deployments:read"]) for _ in range(2))

    async def follow() -> list[int]:
        first = world.open("GET", target, token=other)
        statuses = [(await first.head()).status]
        refused = await world.open("GET", target, token=another).reply()
        assert "of this user" in refused.json["detail"]
        assert refused.headers["retry-after"] == "5"
        admin = world.open("GET", target)
        statuses += [refused.status, (await admin.head()).status]
        await first.leave()
        later = world.open("GET", target, token=other)
        statuses.append((await later.head()).status)
        for exchange in (admin, later):
            await exchange.leave()
        return statuses

    assert world.run(follow()) == [200, 503, 200, 200]
    assert not world.app._services.streams._open


class Source:
    """Yields what it is given, then waits; notes that it was closed."""

    def __init__(self, *pieces: bytes) -> None:
        self.pieces = pieces
        self.closed = False

    async def __call__(self) -> AsyncGenerator[bytes, None]:
        try:
            for piece in self.pieces:
                yield piece
            await asyncio.Event().wait()
        finally:
            self.closed = True


def test_a_client_that_leaves_releases_the_source() -> None:
    source = Source(b"data: 1\n\n")

    async def follow() -> list[bytes]:
        exchange = Exchange(EventStream(source(), Streams(), "t"), Question("GET", "/"))
        await exchange.head()
        first = await anext(exchange.pieces())
        await exchange.leave()
        return [first]

    assert asyncio.run(follow()) == [b"data: 1\n\n"]
    assert source.closed


def test_silence_is_filled(monkeypatch: pytest.MonkeyPatch) -> None:
    source = Source(b"", b"")

    async def follow(quiet_s: float) -> list[bytes]:
        monkeypatch.setattr(streams, "KEEP_ALIVE_S", quiet_s)
        ends = Streams()
        exchange = Exchange(EventStream(source(), ends, "t"), Question("GET", "/"))
        await exchange.head()
        asyncio.get_running_loop().call_later(0.01, ends.close)
        return [piece async for piece in exchange.pieces()]

    assert asyncio.run(follow(0.0)) == [b":\n\n", b":\n\n"]
    assert asyncio.run(follow(15.0)) == []


def test_a_source_that_fails_is_logged_and_ends(caplog: pytest.LogCaptureFixture) -> None:
    async def broken() -> AsyncGenerator[bytes, None]:
        yield b"data: 1\n\n"
        raise ValueError("lost")

    async def follow() -> bytes:
        return (
            await Exchange(EventStream(broken(), Streams(), "t"), Question("GET", "/")).reply()
        ).body

    with caplog.at_level(logging.ERROR, logger="ring.api"):
        assert asyncio.run(follow()) == b"data: 1\n\n"
    assert "lost" in caplog.text
