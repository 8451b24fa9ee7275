"""Configs over HTTP."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING

import pytest

from ring.api.routes import configs
from tests.store.builders import audit

if TYPE_CHECKING:
    from tests.api.client import Reply
    from tests.api.world import World

DATA = '{"index.html":"<p>Gr\u00fc\u00dfe"}'
KEYS = ["id", "created_at", "updated_at", "namespace", "name", "data", "labels"]


def create(world: World, token: str = "", /, **members: object) -> Reply:
    body = {"namespace": "shop", "name": "site", "data": DATA, **members}
    text = json.dumps(body, ensure_ascii=False).encode()
    return world.call("POST", "/configs", token=token, body=text)


def replace(world: World, made: Reply, token: str = "", /, **members: object) -> Reply:
    body = {"name": "site", "data": "{}", **members}
    text = json.dumps(body, ensure_ascii=False).encode()
    return world.call("PUT", f"/configs/{made.json['id']}", token=token, body=text)


def test_a_config_is_made_listed_and_read(world: World) -> None:
    made = create(world, labels="tier=web")
    assert (made.status, list(made.json)) == (201, KEYS)
    assert (made.json["data"], made.json["labels"]) == (DATA, "tier=web")
    assert b'"updated_at":null' in made.body
    assert "Grüße" in made.body.decode()
    assert world.call("GET", f"/configs/{made.json['id']}").json == made.json
    listed = world.call("GET", "/configs")
    assert (listed.headers["content-type"], listed.json) == ("application/json", [made.json])
    assert listed.body == b"[" + made.body + b"]"
    assert create(world, name="bare").json["labels"] == ""
    assert create(world, name="null", labels=None).json["labels"] == ""


def test_an_unknown_one_is_404(world: World) -> None:
    for method in ("GET", "PUT", "DELETE"):
        reply = world.call(method, "/configs/nope", body={} if method == "PUT" else None)
        assert reply.status == 404
        assert reply.json["detail"] == "configuration 'nope' does not exist"


def test_a_missing_namespace_is_made_by_whoever_may(world: World) -> None:
    writer = world.token(scopes=["configs:write"])
    refused = create(world, writer)
    assert refused.status == 404
    assert refused.json["detail"] == "namespace 'shop' does not exist"
    assert world.call("GET", "/namespaces").json == []
    bound = world.token(scopes=["configs:write"], namespaces=["shop"])
    assert create(world, bound).status == 201
    assert create(world, bound, namespace="media").status == 403
    assert create(world, bound, namespace="media", data="").status == 422
    assert create(world, writer, name="page").status == 201
    assert create(world, namespace="media").status == 201


def test_a_name_is_taken_once_in_a_namespace(world: World) -> None:
    create(world)
    other = create(world, name="page")
    detail = "configuration 'site' already exists in namespace 'shop'"
    for reply in (create(world), replace(world, other)):
        assert (reply.status, reply.json["detail"]) == (409, detail)
    assert create(world, namespace="media").status == 201


@pytest.mark.parametrize(
    ("members", "codes"),
    [
        ({"name": ""}, ["config.name.length", "config.name.format"]),
        ({"name": "a" * 254}, ["config.name.length"]),
        ({"name": "Site"}, ["config.name.format"]),
        ({"name": "a_b"}, ["config.name.format"]),
        ({"name": "a."}, ["config.name.format"]),
        ({"data": ""}, ["config.data.length"]),
        ({"data": '"' + "é" * 524_288 + '"'}, ["config.data.length"]),
        ({"labels": "x" * 1001}, ["config.labels.length"]),
        (
            {"name": "-", "data": "", "labels": "x" * 1001},
            ["config.name.format", "config.data.length", "config.labels.length"],
        ),
    ],
)
def test_both_writes_tell_all_that_is_wrong(
    world: World, members: dict[str, object], codes: list[str]
) -> None:
    made = create(world)
    for reply in (create(world, **members), replace(world, made, **members)):
        assert (reply.status, reply.codes) == (422, codes)
    assert world.call("GET", "/configs").json == [made.json]


def test_an_empty_namespace_and_empty_data(world: World) -> None:
    body = {"namespace": "", "name": "ok-name", "data": ""}
    reply = world.call("POST", "/configs", body=body)
    assert (reply.status, reply.json["title"]) == (422, "Validation failed")
    assert reply.codes == [
        "config.namespace.length",
        "config.namespace.format",
        "config.data.length",
    ]


@pytest.mark.parametrize(
    "members",
    [
        {"name": "a"},
        {"name": "a" * 253},
        {"name": "a.b-9"},
        {"data": '"' + "é" * 524_287 + '"'},
        {"labels": "ü" * 1000},
    ],
)
def test_what_is_just_allowed(world: World, members: dict[str, object]) -> None:
    made = create(world)
    assert replace(world, made, **members).status == 200
    assert create(world, namespace="media", **members).status == 201


@pytest.mark.parametrize(
    "data", ["not json", "{", "NaN", "[Infinity]", "{'a':1}", "[" * 100_000, " "]
)
def test_only_a_replacement_has_to_be_json(world: World, data: str) -> None:
    made = create(world, data=data)
    assert (made.status, made.json["data"]) == (201, data)
    reply = replace(world, made, data=data)
    assert (reply.status, reply.codes) == (422, ["config.data.invalid_json"])


@pytest.mark.parametrize("data", ["{}", "[]", "7", '"text"', "null", ' {"a": "b"}\n'])
def test_any_json_is_json(world: World, data: str) -> None:
    made = create(world)
    assert replace(world, made, data=data).json["data"] == data


def test_a_write_replaces_all_but_the_namespace(world: World) -> None:
    made = create(world, labels="a")
    world.clock.advance(1)
    reply = replace(world, made, name="page", namespace="media")
    assert (reply.status, list(reply.json)) == (200, KEYS)
    assert reply.json == {
        **made.json,
        "updated_at": "2027-03-02T08:15:05.120934Z",
        "name": "page",
        "data": "{}",
        "labels": "",
    }
    assert world.call("GET", f"/configs/{made.json['id']}").json == reply.json


def test_a_deleted_one_is_gone(world: World) -> None:
    path = f"/configs/{create(world).json['id']}"
    reply = world.call("DELETE", path)
    assert (reply.status, reply.body) == (204, b"")
    assert world.call("DELETE", path).status == 404
    assert world.call("GET", "/configs").json == []


def test_lists_are_filtered(world: World) -> None:
    for namespace in ("a1", "b1", "c1"):
        for name in ("x", "y"):
            create(world, namespace=namespace, name=name)

    def listed(query: str, token: str = "") -> list[str]:
        found = world.call("GET", f"/configs{query}", token=token).json
        return [f"{each['namespace']}/{each['name']}" for each in found]

    assert listed("") == ["a1/x", "a1/y", "b1/x", "b1/y", "c1/x", "c1/y"]
    assert listed("?namespace[]=a1&namespace[]=b1&name=x") == ["a1/x", "b1/x"]
    assert listed("?namespace=c1&name=x&name[]=y&name=z") == ["c1/x", "c1/y"]
    assert listed("?name=nope") == listed("?namespace=nope") == []
    bound = world.token(scopes=["configs:read"], namespaces=["b1"])
    assert listed("?name=x", bound) == listed("?name=x&namespace=b1", bound) == ["b1/x"]
    assert listed("?namespace=a1", bound) == []


def test_one_deleted_while_a_list_is_made_is_left_out(world: World) -> None:
    first, second = create(world), create(world, name="zone")

    async def both() -> Reply:
        listing = world.open("GET", "/configs")
        deleting = world.open("DELETE", f"/configs/{second.json['id']}")
        listed, deleted = await asyncio.gather(listing.reply(), deleting.reply())
        assert deleted.status == 204
        return listed

    assert world.run(both()).json in ([first.json], [first.json, second.json])


def test_a_long_list_is_sent_while_it_is_read(world: World) -> None:
    data = json.dumps({"a": "b" * 900_000})
    made = [create(world, name=f"site{n}", data=data).json for n in range(8)]
    listed = world.call("GET", "/configs")
    assert listed.json == made
    assert len(listed.body) > configs.WHOLE_BYTES
    assert "content-length" not in listed.headers
    assert listed.headers["content-type"] == "application/json"
    assert world.call("HEAD", "/configs").body == b""
    short = world.call("GET", "/configs?name=site0")
    assert (short.json, short.headers["content-length"]) == (made[:1], str(len(short.body)))


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE"])
def test_what_is_outside_is_403_by_id(world: World, method: str) -> None:
    made = create(world)
    bound = world.token(scopes=["admin"], namespaces=["media"])
    body = {"name": "site", "data": "{}"} if method == "PUT" else None
    path = f"/configs/{made.json['id']}"
    assert world.call(method, path, token=bound, body=body).status == 403
    assert world.call("GET", path).json == made.json


def test_reading_and_writing_are_granted_apart(world: World) -> None:
    made = create(world)
    reader = world.token(scopes=["configs:read"])
    writer = world.token(scopes=["configs:write"])
    path = f"/configs/{made.json['id']}"
    assert create(world, reader, name="page").status == 403
    assert replace(world, made, reader).status == 403
    assert world.call("DELETE", path, token=reader).status == 403
    assert world.call("GET", path, token=writer).status == 403
    assert world.call("GET", path, token=reader).status == 200
    assert replace(world, made, writer).status == 200


def test_what_is_done_to_one_is_in_the_audit(world: World) -> None:
    made = create(world)
    replace(world, made, name="page")
    world.call("DELETE", f"/configs/{made.json['id']}")
    user = world.store.user_named("admin")
    assert user is not None
    assert audit(world.store)[-3:] == [
        ("create", "config", "site", "shop", user.id),
        ("update", "config", "page", "shop", user.id),
        ("delete", "config", "page", "shop", user.id),
    ]
