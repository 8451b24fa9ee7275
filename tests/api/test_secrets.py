"""Secrets over HTTP: written, never read."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from ring.core.model.spec import DeploymentSpec
from ring.store.store import Author
from tests.api.world import manifest
from tests.store.builders import audit

if TYPE_CHECKING:
    from tests.api.client import Reply
    from tests.api.world import World

VALUE = "correct horse battery staple"
IN_USE = {"environment": {"PASSWORD": {"secretRef": "db"}}}


@pytest.fixture
def world(world: World) -> World:
    """With two namespaces."""
    for name in ("shop", "media"):
        assert world.call("POST", "/namespaces", body={"name": name}).status == 201
    return world


def create(world: World, token: str = "", /, **members: object) -> Reply:
    body = {"namespace": "shop", "name": "db", "value": VALUE, **members}
    text = json.dumps(body, ensure_ascii=False).encode()
    return world.call("POST", "/secrets", token=token, body=text)


def deploy(world: World, **members: object) -> None:
    text = json.dumps(manifest(**members))
    spec = DeploymentSpec.model_validate_json(text)
    world.run(world.store.accept(spec, Author("mira", may_create_namespace=True)))


def test_a_secret_is_made_listed_and_read_without_its_value(world: World) -> None:
    made = create(world)
    assert made.status == 201
    assert list(made.json) == ["id", "created_at", "namespace", "name"]
    assert made.json["created_at"] == "2027-03-02T08:15:04.120934Z"
    read = world.call("GET", f"/secrets/{made.json['id']}")
    listed = world.call("GET", "/secrets")
    assert list(read.json) == ["id", "created_at", "updated_at", "namespace", "name"]
    assert listed.json == [read.json]
    assert b'"updated_at":null' in listed.body
    assert read.json | made.json == read.json
    assert VALUE not in "".join(each.body.decode() for each in (made, read, listed))


def test_an_unknown_one_is_404_before_the_body_is_looked_at(world: World) -> None:
    for method in ("GET", "PUT", "DELETE"):
        reply = world.call(method, "/secrets/nope", body={} if method == "PUT" else None)
        assert reply.status == 404
        assert reply.json["detail"] == "Secret not found"


def test_the_order_of_what_is_checked(world: World) -> None:
    bound = world.token(scopes=["admin"], namespaces=["shop", "later"])
    assert create(world, bound, namespace="nope", value="").status == 422
    outside = create(world, bound, namespace="nope")
    assert outside.status == 403
    assert outside.json["detail"] == "token is not scoped to namespace 'nope'"
    missing = create(world, bound, namespace="later")
    assert missing.status == 404
    assert missing.json["detail"] == "namespace 'later' does not exist"
    assert world.call("GET", "/namespaces/later").status == 404
    assert create(world, bound).status == 201
    taken = create(world, bound)
    assert taken.status == 409
    assert taken.json["detail"] == "secret 'db' already exists in namespace 'shop'"
    assert create(world, namespace="media").status == 201


@pytest.mark.parametrize(
    ("members", "codes"),
    [
        ({"namespace": ""}, ["secret.namespace.length", "secret.namespace.format"]),
        ({"namespace": "a" * 64}, ["secret.namespace.length"]),
        ({"namespace": "Shop"}, ["secret.namespace.format"]),
        ({"name": "a"}, ["secret.name.length"]),
        ({"name": "a" * 254}, ["secret.name.length"]),
        ({"name": "bad!name"}, ["secret.name.format"]),
        ({"name": "-a"}, ["secret.name.format"]),
        ({"name": "ab\n"}, ["secret.name.format"]),
        ({"name": ""}, ["secret.name.length", "secret.name.format"]),
        ({"value": ""}, ["secret.value.length"]),
        ({"value": "é" * 524_288 + "x"}, ["secret.value.length"]),
        (
            {"namespace": "-", "name": "!", "value": ""},
            [
                "secret.namespace.length",
                "secret.namespace.format",
                "secret.name.length",
                "secret.name.format",
                "secret.value.length",
            ],
        ),
    ],
)
def test_all_that_is_wrong_is_told_at_once(
    world: World, members: dict[str, object], codes: list[str]
) -> None:
    reply = create(world, **members)
    assert (reply.status, reply.codes) == (422, codes)
    assert reply.json["title"] == "Validation failed"
    assert VALUE not in reply.body.decode()
    paths = [violation["property_path"] for violation in reply.json["violations"]]
    assert paths == [code.split(".")[1] for code in codes]


@pytest.mark.parametrize(
    "members",
    [
        {"name": "ab"},
        {"name": "A.b_c-9"},
        {"name": "a" * 253},
        {"value": "é" * 524_288},
        {"value": "\0\n"},
    ],
)
def test_what_is_just_allowed(world: World, members: dict[str, str]) -> None:
    assert create(world, **members).status == 201
    name = members.get("name", "db")
    assert world.store.secrets.value("shop", name) == members.get("value", VALUE)


@pytest.mark.parametrize(
    ("body", "status", "codes"),
    [
        (b"{}", 422, ["request.field.missing"] * 3),
        (b'{"namespace":"shop","name":"db","value":7}', 422, ["request.field.type"]),
        (b'{"namespace":"shop","name":"db","value":["hunter22"]}', 422, ["request.field.type"]),
        (b'{"namespace":"shop","name":"db","value":null}', 422, ["request.field.type"]),
        (b'{"namespace":"shop","name":"db","value":"hunter22', 400, []),
        (b'{"namespace":"shop","name":"db","value":"\\ud800hunter22"}', 400, []),
        (b'"hunter22"', 422, ["request.field.type"]),
    ],
)
def test_a_body_of_another_shape_is_not_repeated(
    world: World, body: bytes, status: int, codes: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    reply = world.call("POST", "/secrets", body=body)
    assert (reply.status, reply.codes) == (status, codes)
    assert b"hunter22" not in reply.body
    assert "hunter22" not in caplog.text


def test_another_value(world: World) -> None:
    made = create(world).json
    world.clock.advance(1)
    path = f"/secrets/{made['id']}"
    reply = world.call("PUT", path, body={"value": "new", "name": "other"})
    assert (reply.status, reply.json["updated_at"]) == (200, "2027-03-02T08:15:05.120934Z")
    assert reply.json == world.call("GET", path).json
    assert reply.json["name"] == "db"
    assert world.store.secrets.value("shop", "db") == "new"
    for value in ("", "x" * 1_048_577):
        reply = world.call("PUT", path, body={"value": value})
        assert (reply.status, reply.codes) == (422, ["secret.value.length"])
    assert world.call("PUT", path, body={}).codes == ["request.field.missing"]
    assert world.store.secrets.value("shop", "db") == "new"


@pytest.mark.parametrize("force", ["", "?force=true", "?force=false"])
def test_one_that_nobody_refers_to_just_goes(world: World, force: str) -> None:
    made = create(world).json
    reply = world.call("DELETE", f"/secrets/{made['id']}{force}")
    assert (reply.status, reply.body) == (204, b"")
    assert world.call("GET", "/secrets").json == []


def test_without_force_a_referenced_one_goes_with_a_warning(world: World) -> None:
    made = create(world).json
    deploy(world, **IN_USE)
    reply = world.call("DELETE", f"/secrets/{made['id']}")
    assert reply.status == 200
    assert list(reply.json) == ["deleted", "warning", "deployments"]
    assert reply.json["deleted"] is True
    assert reply.json["deployments"] == ["shop/web"]
    assert world.call("GET", f"/secrets/{made['id']}").status == 404


def test_force_decides_about_a_referenced_one(world: World) -> None:
    made = create(world).json
    deploy(world, **IN_USE)
    path = f"/secrets/{made['id']}"
    reply = world.call("DELETE", f"{path}?force=false")
    assert reply.status == 409
    assert reply.json["detail"] == reply.json["error"] == "Secret is referenced by deployments"
    assert reply.json["deployments"] == ["shop/web"]
    assert reply.json["hint"] == "Use ?force=true to delete anyway"
    assert world.call("GET", path).status == 200
    assert world.call("DELETE", f"{path}?force=yes").status == 400
    reply = world.call("DELETE", f"{path}?force=true")
    assert (reply.status, reply.body) == (204, b"")
    assert world.call("GET", path).status == 404


def test_lists_are_filtered(world: World) -> None:
    create(world)
    create(world, namespace="media", name="tls")
    create(world, namespace="media")

    def listed(query: str, token: str = "") -> list[str]:
        found = world.call("GET", f"/secrets{query}", token=token).json
        return [f"{each['namespace']}/{each['name']}" for each in found]

    everything = ["media/db", "media/tls", "shop/db"]
    assert listed("") == listed("?name=tls") == everything
    assert listed("?namespace=shop") == listed("?namespace[]=shop&x=y") == ["shop/db"]
    assert listed("?namespace=shop&namespace[]=media") == everything
    assert listed("?namespace=nope") == listed("?namespace=") == []
    bound = world.token(scopes=["admin"], namespaces=["shop", "edge"])
    assert listed("", bound) == listed("?namespace=media&namespace=shop", bound) == ["shop/db"]
    assert listed("?namespace=media", bound) == []


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE"])
def test_what_is_outside_is_403_by_id(world: World, method: str) -> None:
    path = f"/secrets/{create(world).json['id']}"
    bound = world.token(scopes=["admin"], namespaces=["media"])
    body = {"value": "x"} if method == "PUT" else None
    assert world.call(method, path, token=bound, body=body).status == 403
    assert world.call("GET", path).status == 200
    assert world.store.secrets.value("shop", "db") == VALUE


def test_reading_and_writing_are_granted_apart(world: World) -> None:
    reader = world.token(scopes=["secrets:read"])
    writer = world.token(scopes=["secrets:write"])
    assert create(world, reader).status == 403
    made = create(world, writer)
    assert made.status == 201
    path = f"/secrets/{made.json['id']}"
    assert world.call("GET", path, token=writer).status == 403
    assert world.call("GET", path, token=reader).status == 200
    assert world.call("PUT", path, token=reader, body={"value": "x"}).status == 403
    assert world.call("DELETE", path, token=reader).status == 403
    assert world.call("DELETE", path, token=writer).status == 204


def test_a_waiting_deployment_is_woken(world: World) -> None:
    deploy(world, **IN_USE)
    world.engine.woken.clear()
    made = create(world).json
    world.call("PUT", f"/secrets/{made['id']}", body={"value": "x"})
    create(world, name="other")
    world.call("DELETE", f"/secrets/{made['id']}")
    assert [(key.namespace, key.name) for key in world.engine.woken] == [("shop", "web")] * 3


def test_what_is_done_to_one_is_in_the_audit_with_who_did_it(world: World) -> None:
    user = world.store.user_named(world.user("mira", "operator"))
    assert user is not None
    token = world.session("mira")
    path = f"/secrets/{create(world, token).json['id']}"
    create(world, token)
    world.call("PUT", path, token=token, body={"value": "x"})
    world.call("DELETE", path, token=token)
    assert audit(world.store)[-3:] == [
        (action, "secret", "db", "shop", user.id) for action in ("create", "update", "delete")
    ]
