"""The registry of volumes over HTTP."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.store.builders import audit

if TYPE_CHECKING:
    from tests.api.client import Reply
    from tests.api.world import World

KEYS = [
    "id",
    "created_at",
    "updated_at",
    "namespace",
    "name",
    "size",
    "backend_type",
    "host_path",
    "labels",
]
MOUNT = {"type": "volume", "source": "ledger", "destination": "/var/lib/ledger"}


@pytest.fixture
def world(world: World) -> World:
    """With a namespace."""
    assert world.call("POST", "/namespaces", body={"name": "shop"}).status == 201
    return world


def create(world: World, token: str = "", /, **members: object) -> Reply:
    body = {"namespace": "shop", "name": "ledger", **members}
    text = json.dumps(body, ensure_ascii=False).encode()
    return world.call("POST", "/volumes", token=token, body=text)


def test_a_volume_is_registered_listed_and_read(world: World) -> None:
    made = create(world)
    assert (made.status, list(made.json)) == (201, KEYS)
    assert made.json == {
        **made.json,
        "updated_at": None,
        "namespace": "shop",
        "name": "ledger",
        "size": None,
        "backend_type": "local",
        "host_path": "ledger",
        "labels": {},
    }
    assert world.call("GET", f"/volumes/{made.json['id']}").json == made.json
    assert world.call("GET", "/volumes").json == [made.json]


def test_what_can_be_said_of_one(world: World) -> None:
    members = {"size": 2**63 - 1, "backend_type": "directory", "labels": {"team": "Käse", "": ""}}
    made = create(world, **members).json
    assert {key: made[key] for key in members} == members
    nothing = create(world, name="cache", size=None, backend_type=None, labels=None).json
    assert (nothing["size"], nothing["backend_type"], nothing["labels"]) == (None, "local", {})


def test_an_unknown_one_is_404(world: World) -> None:
    for method in ("GET", "DELETE"):
        reply = world.call(method, "/volumes/nope")
        assert (reply.status, reply.json["detail"]) == (404, "Volume not found")


def test_the_order_of_what_is_checked(world: World) -> None:
    bound = world.token(scopes=["admin"], namespaces=["shop", "later"])
    assert create(world, bound, namespace="nope", name="").status == 422
    assert create(world, bound, namespace="nope").status == 403
    missing = create(world, bound, namespace="later")
    assert missing.status == 404
    assert missing.json["detail"] == "namespace 'later' does not exist"
    assert create(world, bound).status == 201
    taken = create(world, bound)
    assert taken.status == 409
    assert taken.json["detail"] == "volume 'ledger' already exists in namespace 'shop'"


@pytest.mark.parametrize(
    ("members", "codes"),
    [
        ({"namespace": "-"}, ["volume.namespace.length", "volume.namespace.format"]),
        ({"name": "a"}, ["volume.name.length"]),
        ({"name": "a" * 254}, ["volume.name.length"]),
        ({"name": "Ledger"}, ["volume.name.format"]),
        ({"name": "_a"}, ["volume.name.format"]),
        ({"size": -1}, ["volume.size.out_of_range"]),
        ({"size": 2**63}, ["volume.size.out_of_range"]),
        ({"backend_type": "nfs"}, ["volume.backend_type.unsupported"]),
        ({"backend_type": ""}, ["volume.backend_type.unsupported"]),
        ({"labels": {"a": "é" * 8189}}, ["volume.labels.length"]),
        (
            {"name": "!", "size": -1, "backend_type": "nfs"},
            [
                "volume.name.length",
                "volume.name.format",
                "volume.size.out_of_range",
                "volume.backend_type.unsupported",
            ],
        ),
        ({"size": 1.5}, ["request.field.type"]),
        ({"size": True}, ["request.field.type"]),
        ({"labels": ["a"]}, ["request.field.type"]),
        ({"labels": {"a": 1}}, ["request.field.type"]),
        ({"name": None, "namespace": 7}, ["request.field.type", "request.field.type"]),
    ],
)
def test_all_that_is_wrong_is_told_at_once(
    world: World, members: dict[str, object], codes: list[str]
) -> None:
    reply = create(world, **members)
    assert (reply.status, reply.codes) == (422, codes)
    assert world.call("GET", "/volumes").json == []


@pytest.mark.parametrize(
    "members",
    [{"name": "ab"}, {"name": "a_b.c-9"}, {"size": 0}, {"labels": {"a": "é" * 8188}}],
)
def test_what_is_just_allowed(world: World, members: dict[str, object]) -> None:
    assert create(world, **members).status == 201


def test_one_that_nobody_mounts_goes(world: World) -> None:
    path = f"/volumes/{create(world).json['id']}"
    reply = world.call("DELETE", path)
    assert (reply.status, reply.body) == (204, b"")
    assert world.call("DELETE", path).status == 404


@pytest.mark.parametrize("query", ["", "?force=false"])
def test_a_mounted_one_needs_force(world: World, query: str) -> None:
    path = f"/volumes/{create(world).json['id']}"
    assert world.apply(volumes=[MOUNT]).status == 201
    reply = world.call("DELETE", f"{path}{query}")
    assert reply.status == 409
    assert reply.json["detail"] == "Volume is referenced by deployments"
    assert reply.json["deployments"] == ["shop/web"]
    assert reply.json["hint"] == "Use ?force=true to delete anyway"
    assert world.call("DELETE", f"{path}?force=1").status == 400
    assert world.call("GET", path).status == 200
    assert world.call("DELETE", f"{path}?force=true").status == 204


def test_a_bind_of_the_same_source_does_not_count(world: World) -> None:
    create(world, name="data")
    bind = {"type": "bind", "source": "/srv/data", "destination": "/data"}
    assert world.apply(volumes=[bind]).status == 201
    path = f"/volumes/{world.call('GET', '/volumes').json[0]['id']}"
    assert world.call("DELETE", path).status == 204


def test_lists_are_filtered(world: World) -> None:
    world.call("POST", "/namespaces", body={"name": "media"})
    for namespace in ("shop", "media"):
        create(world, namespace=namespace)

    def listed(query: str, token: str = "") -> list[str]:
        return [each["namespace"] for each in world.call("GET", query, token=token).json]

    assert listed("/volumes") == ["media", "shop"]
    assert listed("/volumes?namespace=shop&name=x") == listed("/volumes?namespace[]=shop")
    assert listed("/volumes?namespace=shop") == ["shop"]
    bound = world.token(scopes=["volumes:read"], namespaces=["media"])
    assert listed("/volumes", bound) == ["media"]
    assert listed("/volumes?namespace=shop", bound) == []


@pytest.mark.parametrize("method", ["GET", "HEAD", "DELETE"])
def test_what_is_outside_is_403_by_id(world: World, method: str) -> None:
    path = f"/volumes/{create(world).json['id']}"
    bound = world.token(scopes=["admin"], namespaces=["media"])
    assert world.call(method, path, token=bound).status == 403
    assert world.call("GET", path).status == 200


def test_reading_and_writing_are_granted_apart(world: World) -> None:
    path = f"/volumes/{create(world).json['id']}"
    reader = world.token(scopes=["volumes:read"])
    writer = world.token(scopes=["volumes:write"])
    assert create(world, reader, name="cache").status == 403
    assert world.call("DELETE", path, token=reader).status == 403
    assert world.call("GET", path, token=writer).status == 403
    assert world.call("GET", path, token=reader).status == 200
    assert world.call("DELETE", path, token=writer).status == 204


def test_what_is_done_to_one_is_in_the_audit(world: World) -> None:
    path = f"/volumes/{create(world).json['id']}"
    world.call("DELETE", path)
    user = world.store.user_named("admin")
    assert user is not None
    assert audit(world.store)[-2:] == [
        (action, "volume", "ledger", "shop", user.id) for action in ("create", "delete")
    ]
