from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import pytest

from tests.api.client import Exchange, Question
from tests.api.world import World

if TYPE_CHECKING:
    from collections.abc import Iterator

UI = "https://ui.example"


@pytest.fixture
def open_world() -> Iterator[World]:
    world = World(cors_origins=[UI])
    yield world
    world.close()


def _cors(headers: dict[str, str]) -> set[str]:
    return {name for name in headers if name.startswith("access-control-")}


@pytest.mark.parametrize("path", ["/deployments", "/healthz", "/login"])
def test_a_preflight_needs_no_token(open_world: World, path: str) -> None:
    headers = {"Origin": UI, "Access-Control-Request-Method": "POST"}
    reply = open_world.call("OPTIONS", path, token=None, headers=headers)
    assert reply.status == 204
    assert reply.headers["access-control-allow-origin"] == UI
    assert reply.headers["access-control-allow-methods"] == "GET, POST, PUT, DELETE, OPTIONS"
    allowed = reply.headers["access-control-allow-headers"]
    assert allowed == "authorization, content-type, accept"
    assert reply.headers["vary"] == "Origin"


@pytest.mark.parametrize("origin", ["https://ui.example.evil", "http://ui.example", "null", ""])
def test_another_origin_is_given_nothing(open_world: World, origin: str) -> None:
    headers = {"Origin": origin, "Access-Control-Request-Method": "POST"}
    preflight = open_world.call("OPTIONS", "/deployments", token=None, headers=headers)
    assert _cors(preflight.headers) == set()
    reply = open_world.call("GET", "/deployments", headers={"Origin": origin})
    assert reply.status == 200
    assert _cors(reply.headers) == set()
    assert reply.headers["vary"] == "Origin"


@pytest.mark.parametrize(
    ("path", "status"), [("/healthz", 200), ("/deployments", 401), ("/x", 404)]
)
def test_errors_and_public_routes_can_be_read_too(
    open_world: World, path: str, status: int
) -> None:
    reply = open_world.call("GET", path, token=None, headers={"Origin": UI})
    assert reply.status == status
    assert _cors(reply.headers) == {"access-control-allow-origin"}
    assert reply.headers["vary"] == "Origin"


def test_options_that_is_no_preflight_is_a_method_like_others(open_world: World) -> None:
    assert open_world.call("OPTIONS", "/deployments", token=None).status == 401
    assert open_world.call("OPTIONS", "/deployments").status == 405


def test_without_origins_nothing_is_said(world: World) -> None:
    headers = {"Origin": UI, "Access-Control-Request-Method": "POST"}
    preflight = world.call("OPTIONS", "/deployments", token=None, headers=headers)
    assert preflight.status == 401
    assert "vary" not in world.call("GET", "/healthz", headers={"Origin": UI}).headers


def test_a_star_lets_everybody_in_and_an_unsendable_origin_is_left_out(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with caplog.at_level(logging.WARNING, logger="ring.api"):
        world = World(cors_origins=["*", "https://ü.example"])
    reply = world.call("GET", "/healthz", headers={"Origin": "https://any.example"})
    world.close()
    assert reply.headers["access-control-allow-origin"] == "*"
    assert "https://ü.example" in caplog.text


def test_what_is_not_http_is_passed_on(open_world: World) -> None:
    async def ask() -> bool:
        exchange = Exchange(open_world.app, Question("GET", "/healthz"))
        await exchange.reply()
        await open_world.app({"type": "lifespan"}, exchange._receive, exchange._sent.put)
        return exchange._sent.empty()

    assert open_world.run(ask())
