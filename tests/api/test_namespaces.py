from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.api.world import World


def test_a_namespace_is_made_read_and_listed(world: World) -> None:
    made = world.call("POST", "/namespaces", body={"name": "shop", "color": "red"})
    assert made.status == 201
    assert b'"updated_at":null' in made.body
    assert list(made.json) == ["id", "created_at", "updated_at", "name"]
    assert made.json["created_at"] == "2027-03-02T08:15:04.120934Z"
    world.call("POST", "/namespaces", body={"name": "media"})
    for wanted in (made.json["id"], "shop"):
        assert world.call("GET", f"/namespaces/{wanted}").json == made.json
    listed = world.call("GET", "/namespaces").json
    assert [each["name"] for each in listed] == ["media", "shop"]


def test_an_unknown_one_is_404(world: World) -> None:
    reply = world.call("GET", "/namespaces/nope")
    assert reply.status == 404
    assert "nope" in reply.json["detail"]
    assert "message" not in reply.json


def test_a_second_of_the_same_name_conflicts(world: World) -> None:
    world.call("POST", "/namespaces", body={"name": "billing"})
    reply = world.call("POST", "/namespaces", body={"name": "billing"})
    assert reply.status == 409
    assert reply.body == (
        b'{"type":"about:blank","title":"Conflict","status":409,'
        b'"detail":"namespace \'billing\' already exists","violations":[],'
        b'"error":"namespace \'billing\' already exists"}'
    )


def test_a_name_may_break_both_rules(world: World) -> None:
    reply = world.call("POST", "/namespaces", body={"name": "-"})
    assert reply.status == 422
    assert reply.codes == ["namespace.name.length", "namespace.name.format"]
    assert "2 to 63" in reply.json["detail"]
    assert "lowercase letters" in reply.json["detail"]
    assert reply.json["detail"].startswith("name: ")


@pytest.mark.parametrize(
    ("name", "codes"),
    [
        ("ab", []),
        ("a" * 63, []),
        ("a-9", []),
        ("a", ["namespace.name.length"]),
        ("a" * 64, ["namespace.name.length"]),
        ("Shop", ["namespace.name.format"]),
        ("shop\n", ["namespace.name.format"]),
        ("-ab", ["namespace.name.format"]),
        ("ab-", ["namespace.name.format"]),
        ("äb", ["namespace.name.format"]),
        ("", ["namespace.name.length", "namespace.name.format"]),
    ],
)
def test_names(world: World, name: str, codes: list[str]) -> None:
    reply = world.call("POST", "/namespaces", body={"name": name})
    assert reply.status == (422 if codes else 201)
    assert reply.json.get("violations", []) == [] or reply.codes == codes


@pytest.mark.parametrize("network", [None, {}, {"host_ip": None}, {"internal": False}])
def test_what_sets_nothing_is_no_network(world: World, network: object) -> None:
    made = world.call("POST", "/namespaces", body={"name": "shop", "network": network})
    assert made.status == 201
    assert "network" not in made.json


def test_the_network_of_a_namespace_is_shown_and_changed(world: World) -> None:
    body = {"name": "shop", "network": {"host_ip": "127.0.0.1"}}
    made = world.call("POST", "/namespaces", body=body)
    assert made.json["network"] == {"host_ip": "127.0.0.1"}
    world.call("POST", "/namespaces", body={"name": "media"})
    found = [each.get("network") for each in world.call("GET", "/namespaces").json]
    assert found == [None, {"host_ip": "127.0.0.1"}]
    changed = world.call("PUT", "/namespaces/shop/network", body={"host_ip": "::1"})
    assert (changed.status, changed.json["network"]) == (200, {"host_ip": "::1"})
    assert changed.json["updated_at"] is not None
    assert world.call("GET", "/namespaces/shop").json == changed.json
    unset = world.call("PUT", f"/namespaces/{made.json['id']}/network", body={})
    assert unset.status == 200
    assert "network" not in unset.json
    trail = world.call("GET", "/namespaces/shop/audit").json
    assert [each["action"] for each in trail] == ["network", "network", "create"]


@pytest.mark.parametrize(
    ("network", "path", "code"),
    [
        ({"host_ip": "localhost"}, "host_ip", "namespace.network.host_ip.invalid"),
        ({"host_ip": ""}, "host_ip", "namespace.network.host_ip.invalid"),
        ({"host_ip": 5}, "host_ip", "request.field.type"),
        ({"mtu": 1450}, "mtu", "namespace.network.unsupported"),
        ({"internal": True}, "internal", "namespace.network.unsupported"),
        ({"color": "red"}, "color", "namespace.network.unsupported"),
    ],
)
def test_a_network_is_refused_not_ignored(
    world: World, network: dict[str, object], path: str, code: str
) -> None:
    made = world.call("POST", "/namespaces", body={"name": "shop", "network": network})
    assert (made.status, made.codes) == (422, [code])
    assert made.json["violations"][0]["property_path"] == f"network.{path}"
    world.call("POST", "/namespaces", body={"name": "shop"})
    changed = world.call("PUT", "/namespaces/shop/network", body=network)
    assert (changed.status, changed.codes) == (422, [code])
    assert changed.json["violations"][0]["property_path"] == path
    assert "network" not in world.call("GET", "/namespaces/shop").json


def test_the_network_of_an_unknown_namespace_is_404(world: World) -> None:
    assert world.call("PUT", "/namespaces/nope/network", body={}).status == 404
    assert world.call("GET", "/namespaces").json == []


def test_a_bound_token_sees_and_makes_only_its_own(world: World) -> None:
    ids = {
        name: world.call("POST", "/namespaces", body={"name": name}).json["id"]
        for name in ("prod", "staging")
    }
    bound = world.token(scopes=["admin"], namespaces=["prod", "later"])
    listed = world.call("GET", "/namespaces", token=bound).json
    assert [each["name"] for each in listed] == ["prod"]
    assert world.call("GET", f"/namespaces/{ids['prod']}", token=bound).status == 200
    for wanted in (ids["staging"], "staging"):
        reply = world.call("GET", f"/namespaces/{wanted}", token=bound)
        assert reply.status == 403
        assert reply.json["detail"] == "token is not scoped to namespace 'staging'"
    assert world.call("GET", "/namespaces/nope", token=bound).status == 404
    assert world.call("POST", "/namespaces", token=bound, body={"name": "other"}).status == 403
    assert world.call("POST", "/namespaces", token=bound, body={"name": "later"}).status == 201
    assert world.call("POST", "/namespaces", token=bound, body={"name": "-"}).status == 422
