"""Who gets in: path, credentials, method, scope, in this order, before any body is read."""

from __future__ import annotations

import json
import logging
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from ring.api.routing import Guarded
from ring.api.table import ROUTES
from ring.clock import rfc3339
from tests.api.client import Exchange, Question
from tests.api.world import World, manifest

if TYPE_CHECKING:
    from starlette.types import Message

GUARDED = [route for route in ROUTES if isinstance(route, Guarded)]
PATHS = sorted({route.path for route in ROUTES})


def _name(route: Guarded) -> str:
    return f"{route.method} {route.path}"


def _methods(path: str) -> set[str]:
    methods = {route.method for route in ROUTES if route.path == path}
    return methods | ({"HEAD"} if "GET" in methods else set())


def test_health_needs_no_token(world: World) -> None:
    reply = world.call("GET", "/healthz", token=None)
    assert (reply.status, reply.body) == (200, b'{"state":"UP"}')
    assert reply.headers["content-type"] == "application/json"


@pytest.mark.parametrize("route", GUARDED, ids=_name)
@pytest.mark.parametrize(
    "authorization",
    [
        None,
        "",
        "Bearer",
        "Bearer garbage",
        "Bearer ring_pat_" + "0" * 64,
        "Basic YWRtaW46Y2hhbmdlbWU=",
        "Bearer \xff\xfe\x00",
        "Bearer " + "a" * 60_000,
    ],
)
def test_no_route_answers_without_a_valid_token(
    world: World, route: Guarded, authorization: str | None
) -> None:
    headers = {} if authorization is None else {"Authorization": authorization}
    reply = world.call(route.method, route.path, token=None, headers=headers, body=b"{bad")
    assert reply.status == 401
    assert reply.headers["content-type"] == "application/problem+json"
    assert reply.headers["www-authenticate"] == "Bearer"
    assert reply.json["status"] == 401
    assert reply.json["detail"] == reply.json["error"] == "Invalid token"
    assert reply.json["violations"] == []
    assert ("message" in reply.json) == route.path.startswith("/deployments")


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(
    "method", ["GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "get", "X"]
)
def test_a_wrong_method_is_told_the_right_ones(world: World, path: str, method: str) -> None:
    allowed = _methods(path)
    if method in allowed:
        return
    reply = world.call(method, path)
    assert reply.status == 405
    assert reply.headers["allow"] == ", ".join(sorted(allowed))
    is_public = path in {"/healthz", "/login", "/metrics"}
    assert world.call(method, path, token=None).status == (405 if is_public else 401)


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/does-not-exist",
        "/deployments/",
        "/deployments/x/",
        "/deployments//events",
        "/deployments/x/events/",
        "//deployments",
        "/Deployments",
        "/healthz/",
        "/deployments%00",
        "/%ff%fe",
        "/../healthz",
        "/" + "a/" * 5000,
    ],
)
@pytest.mark.parametrize("token", [None, ""])
def test_an_unknown_path_is_404_for_everybody(world: World, path: str, token: str | None) -> None:
    reply = world.call("GET", path, token=token)
    assert reply.status == 404
    assert reply.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
def test_the_scheme_is_any_case(world: World, scheme: str) -> None:
    headers = {"Authorization": f"{scheme} {world.admin}"}
    assert world.call("GET", "/namespaces", token=None, headers=headers).status == 200


@pytest.mark.parametrize(
    ("padding", "status"), [(" \t", 200), ("\xa0", 401), ("\x85", 401), ("\x0b", 401)]
)
def test_only_blanks_may_stand_around_a_token(world: World, padding: str, status: int) -> None:
    value = f"Bearer {padding}{world.admin}{padding}"
    reply = world.call("GET", "/deployments", token=None, headers={"Authorization": value})
    assert reply.status == status


def test_two_authorization_headers_are_none(world: World) -> None:
    value = f"Bearer {world.admin}"
    question = Question("GET", "/namespaces", (("Authorization", value), ("authorization", value)))

    async def ask() -> int:
        return (await Exchange(world.app, question).reply()).status

    assert world.run(ask()) == 401


def test_an_expired_token_is_refused(world: World) -> None:
    in_an_hour = rfc3339(world.clock.wall() + timedelta(hours=1))
    token = world.token(scopes=["admin"], expire_at=in_an_hour)
    unreadable = world.token(scopes=["admin"], expire_at="tomorrow")
    assert world.call("GET", "/namespaces", token=token).status == 200
    assert world.call("GET", "/namespaces", token=unreadable).status == 401
    world.clock.advance(3600)
    assert world.call("GET", "/namespaces", token=token).status == 401


def test_the_token_of_a_disabled_user_is_refused(world: World) -> None:
    token = world.session(world.user("mira", "viewer"))
    assert world.call("GET", "/namespaces", token=token).status == 200
    world.set_user("mira", "status", "disabled")
    assert world.call("GET", "/namespaces", token=token).status == 401


def test_a_token_that_ends_while_its_body_comes_does_nothing(world: World) -> None:
    token = world.session("admin")
    text = json.dumps(manifest()).encode()
    halves = [text[:9], text[9:]]
    sent: list[Message] = []

    async def receive() -> Message:
        if len(halves) == 1:
            assert (await world.open("POST", "/logout", token=token).reply()).status == 204
        return {"type": "http.request", "body": halves.pop(0), "more_body": bool(halves)}

    async def send(message: Message) -> None:
        sent.append(message)

    headers = (("Authorization", f"Bearer {token}"), ("Content-Type", "application/json"))
    world.run(world.app(Question("POST", "/deployments", headers).scope, receive, send))
    assert sent[0]["status"] == 401
    assert world.call("GET", "/deployments").json == []


def test_nothing_is_read_before_the_token_is_known(world: World) -> None:
    for token, wanted in ((None, 401), (world.token(scopes=["users:read"]), 403)):

        async def ask(token: str | None = token) -> tuple[int, int]:
            exchange = world.open("POST", "/deployments", token=token, body=manifest())
            return (await exchange.reply()).status, exchange.read_chunks

        assert world.run(ask()) == (wanted, 0)


@pytest.mark.parametrize("path", ["/namespaces", "/deployments", "/healthz", "/openapi.json"])
def test_head_is_get_without_the_body(world: World, path: str) -> None:
    token = world.token(scopes=["namespaces:read", "deployments:read"])
    get, head = (world.call(method, path, token=token) for method in ("GET", "HEAD"))
    assert (head.status, head.body) == (200, b"")
    assert head.headers == get.headers
    assert int(head.headers["content-length"]) == len(get.body)


def test_an_unexpected_failure_is_a_problem_without_internals(
    world: World, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken() -> None:
        raise ZeroDivisionError("database")

    monkeypatch.setattr(world.store, "namespaces", broken)
    with caplog.at_level(logging.ERROR, logger="ring.api"):
        reply = world.call("GET", "/namespaces?ticket=tk_stream_x")
    assert reply.status == 500
    assert reply.headers["content-type"] == "application/problem+json"
    assert b"database" not in reply.body
    assert any(record.exc_info for record in caplog.records)
    assert world.admin not in caplog.text
    assert "tk_stream_x" not in caplog.text


FULL = (
    "cannot write the database: database or disk is full; "
    "free space on the file system of the database"
)


def test_a_store_that_fails_is_told_with_the_way_out_and_logged_now_and_then(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    made = world.apply().json
    pages = world.store._database.read("deployments", "all")
    assert pages
    writer = world.store._database._writer
    (used,) = writer.execute("PRAGMA page_count").fetchone()
    writer.execute(f"PRAGMA max_page_count = {used}")
    with caplog.at_level(logging.ERROR, logger="ring.api"):
        big = manifest(environment={"A": "x" * 20_000}, name="other")
        replies = [world.call("POST", "/deployments", body=big) for _ in range(3)]
        world.clock.advance(61)
        replies.append(world.call("POST", "/deployments", body=big))
        assert world.call("GET", f"/deployments/{made['id']}").json == made
    for reply in replies:
        assert reply.status == 500
        assert reply.headers["content-type"] == "application/problem+json"
        assert reply.json["detail"] == reply.json["error"] == reply.json["message"] == FULL
    lines = [record.getMessage() for record in caplog.records]
    assert lines == [f"a request failed: {FULL}"] * 2
    assert not any(record.exc_info for record in caplog.records)


def test_who_is_not_known_does_not_hear_how_the_database_fails(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    world.store._database._writer.executescript(
        "PRAGMA foreign_keys = OFF; DROP TABLE token; DROP TABLE user"
    )
    with caplog.at_level(logging.ERROR, logger="ring.api"):
        body = {"username": "admin", "password": "changeme"}
        replies = [
            world.call("GET", "/deployments"),
            world.call("POST", "/login", token=None, body=body),
        ]
    for reply in replies:
        assert reply.status == 500
        assert reply.json["detail"] == "the server cannot read its database; its log says why"
        assert b"no such table" not in reply.body
    for line, table in zip(caplog.messages, ("token", "user"), strict=True):
        assert line.startswith("a request failed: cannot read the database: ")
        assert table in line


def test_what_is_not_http_is_left_alone(world: World) -> None:
    async def ask() -> None:
        exchange = Exchange(world.app, Question("GET", "/"))
        await exchange.reply()
        read = exchange.read_chunks
        await world.app({"type": "lifespan"}, exchange._receive, exchange._sent.put)
        assert exchange.read_chunks == read
        assert exchange._sent.empty()

    world.run(ask())
