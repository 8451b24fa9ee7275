from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.api.world import World, manifest

if TYPE_CHECKING:
    from tests.api.client import Reply

LIMIT = 2 * 1024 * 1024


def _post(world: World, **options: object) -> Reply:
    return world.call("POST", "/deployments", **options)


@pytest.mark.parametrize(
    "kind", ["application/json", "application/json; charset=utf-8", "APPLICATION/JSON", "a/b+json"]
)
def test_json_is_taken(world: World, kind: str) -> None:
    assert _post(world, body=manifest(), headers={"Content-Type": kind}).status == 201


@pytest.mark.parametrize("kind", ["text/plain", "", "application/jsonp", "application/x-json"])
def test_anything_else_is_415(world: World, kind: str) -> None:
    reply = _post(world, body=manifest(), headers={"Content-Type": kind})
    assert reply.status == 415
    assert reply.headers["content-type"] == "application/problem+json"


def test_no_content_type_is_415(world: World) -> None:
    assert _post(world, chunks=[b"{}"]).status == 415


def test_a_body_at_the_limit_is_taken_and_one_past_it_is_413(world: World) -> None:
    fitting = b" " * (LIMIT - 2) + b"{}"
    assert _post(world, body=fitting).status == 422
    reply = _post(world, body=b" " + fitting)
    assert reply.status == 413
    assert reply.json["title"] == "Content Too Large"


def test_a_chunked_body_is_counted_as_it_comes(world: World) -> None:
    json = {"Content-Type": "application/json"}
    assert _post(world, chunks=[b" " * 1024] * 3072, headers=json).status == 413


def test_an_endless_body_is_cut_off(world: World) -> None:
    json = {"Content-Type": "application/json"}

    async def ask() -> tuple[Reply, int]:
        exchange = world.open("POST", "/deployments", chunks=[b" " * LIMIT] * 50, headers=json)
        return await exchange.reply(), exchange.read_chunks

    reply, read = world.run(ask())
    assert reply.status == 413
    assert reply.headers["connection"] == "close"
    assert read < 10


def test_who_asks_first_is_told_before_sending(world: World) -> None:
    headers = {"Expect": "100-continue", "Content-Length": str(LIMIT + 1)}

    async def ask() -> tuple[int, int]:
        exchange = world.open("POST", "/deployments", body={}, headers=headers)
        return (await exchange.reply()).status, exchange.read_chunks

    assert world.run(ask()) == (413, 0)


@pytest.mark.parametrize("path", ["/deployments", "/namespaces", "/login"])
@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"",
        b"\xff\xfe",
        b'{"name":"\xff"}',
        b"[" * 50_000,
        b'{"a":' * 5_000 + b"1" + b"}" * 5_000,
        b'{"name":"\\ud800","username":"\\ud800","password":"\\ud800"}',
    ],
)
def test_what_is_not_json_is_400(world: World, path: str, body: bytes) -> None:
    reply = world.call("POST", path, body=body)
    assert reply.status == 400
    assert reply.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("path", ["/deployments", "/namespaces", "/login"])
@pytest.mark.parametrize("body", [b"{}", b"[]", b"null", b'"x"', b"1e999", b"9" * 4000])
def test_json_of_the_wrong_shape_is_422(world: World, path: str, body: bytes) -> None:
    reply = world.call("POST", path, body=body)
    assert reply.status == 422
    assert reply.json["title"] == "Validation failed"
    assert reply.json["violations"]
